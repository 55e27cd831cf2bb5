"""The cell's table at the source: seeded once, then changed round by round, in one manner or another.

It knows rounds by their number and remembers none of them: which are done is the bench's history.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.station import Station
from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.slices import slice_of
from certification_pipeline.harness.workload.source import LoggedSource, SourceWriter, TransactionalSource
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.spec import TableSpec
from certification_pipeline.harness.workload.tables import build_workload

_BY_PARTITION = (Strategy.REPLACE, Strategy.BACKFILL, Strategy.PARTITION_REPLACE)


class SourceSide:
    """See the module docstring. One instance serves one bench."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._key = station.planned.key
        self._workload: Workload | None = None
        self._source: SourceWriter | None = None

    @property
    def workload(self) -> Workload:
        """The seeded workload; a scenario that asks before :meth:`seed` is wrong."""
        if self._workload is None:
            raise RuntimeError("the scenario used the workload before seeding it")
        return self._workload

    @property
    def table(self) -> SourceWriter:
        """The source table, for who disturbs it."""
        if self._source is None:
            raise RuntimeError("the scenario used the source before seeding it")
        return self._source

    @property
    def transactional(self) -> TransactionalSource:
        """As :attr:`table`, with statements; plans hold no cell that needs it of a system without them."""
        if not isinstance(self.table, TransactionalSource):
            raise TypeError(f"{self._key.source} has no transactions, and the scenario's `needs` is silent")
        return self.table

    @property
    def logged(self) -> LoggedSource:
        """As :attr:`table`, with replication slots."""
        if not isinstance(self.table, LoggedSource):
            raise TypeError(f"{self._key.source} has no log with slots, and the scenario's `needs` is silent")
        return self.table

    def seed(self, workload: str, rows: int | None) -> None:
        """Create the table and fill it with the workload's initial rows."""
        planned = self._station.planned
        self._workload = build_workload(workload, planned.rows if rows is None else rows, planned.seed)
        self._source = open_source(
            self._key.source, self._station.source_dsn, self._station.namespace, self._workload.table_name
        )
        self._source.seed(self._workload)

    def slice_options(self) -> dict[str, str | None]:
        """What of the table a sliced strategy is told to load, as load options; empty for all others."""
        options: dict[str, str | None] = {}
        low, high = slice_of(self._key.strategy, self.workload)
        if low is not None and high is not None:
            options |= {"partition_from": low.isoformat(), "partition_to": high.isoformat()}
        if self._key.strategy in _BY_PARTITION:
            options["partition_column"] = self.workload.spec.partition
        return options

    def spec_at(self, round_: int) -> TableSpec:
        """The table's columns after that change round; 0 is before the first."""
        return self.workload.change(round_).spec if round_ else self.workload.spec

    def apply(self, round_: int) -> None:
        """Apply that change round."""
        self.table.apply(self.workload.change(round_))

    def apply_as(self, round_: int, manner: Manner) -> dict[str, JsonValue]:
        """The same in another manner: other statements, the same rows in the end; returns what was done."""
        change = self.workload.change(round_)
        with self.transactional.open_transaction() as transaction:
            transaction.apply(change, manner)
            transaction.commit()
        return {
            "inserted_rows": change.inserts.num_rows,
            "updated_rows": change.updates.num_rows,
            "deleted_rows": change.deletes.num_rows,
        }

    @contextmanager
    def in_flight(self, round_: int) -> Iterator[None]:
        """Apply that change round in a transaction that commits only when the block ends."""
        with self._station.quiet, self.transactional.open_transaction() as transaction:
            transaction.apply(self.workload.change(round_))
            yield
            transaction.commit()

    def touch(self) -> None:
        """Commit a transaction that writes a row and changes nothing.

        Rows that are locked are left alone.
        """
        key = '"' + self.workload.spec.primary_key[0].replace('"', '""') + '"'
        source = self.transactional
        table = source.qualified_name
        source.execute(
            f"UPDATE {table} SET {key} = {key} WHERE {key} IN "
            f"(SELECT {key} FROM {table} FOR UPDATE SKIP LOCKED LIMIT 1)"
        )

    def slots(self) -> tuple[str, ...]:
        """Replication slots there are now; none where the strategy reads no log."""
        reads_log = self._key.strategy is Strategy.CDC and isinstance(self._source, LoggedSource)
        return self.logged.slots() if reads_log else ()

    def close(self, slots: tuple[str, ...]) -> None:
        """Drop the table and these slots."""
        if self._source is None:
            return
        if isinstance(self._source, LoggedSource):
            for slot in slots:
                self._source.drop_slot(slot)
        self._source.drop()
        self._source.close()
