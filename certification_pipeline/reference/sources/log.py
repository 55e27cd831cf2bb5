"""PostgreSQL's log as a source: publication, slot, peek, and advance once the sink has committed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.dialects.postgres import PostgresDialect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.planted.log import (
    STREAMED,
    STREAMING_OPTIONS,
    cut_to_layout,
    deaf_to_aborts,
)
from certification_pipeline.reference.postgres import Connection, rows
from certification_pipeline.reference.sources.netting import Net
from certification_pipeline.reference.sources.pgoutput import (
    Begin,
    Commit,
    Delete,
    Insert,
    Message,
    Relation,
    Truncate,
    Update,
    decode,
)
from certification_pipeline.reference.sources.snapshot import Snapshot

FETCH_ROWS = 10_000
SLOT_SECONDS = 60
_DIALECT = PostgresDialect()


def lsn_text(lsn: int) -> str:
    """As PostgreSQL writes a log position."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    """The inverse of :func:`lsn_text`."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


@dataclass(frozen=True, slots=True)
class Slot:
    """What the server says about our slot."""

    active: bool
    usable: bool
    confirmed: int


@dataclass(frozen=True, slots=True)
class InitialCopy:
    """What the first load saw: every transaction visible to it committed before ``boundary``.

    Past the boundary the snapshot is not asked, so that ids that wrap around cannot be mistaken.
    """

    snapshot: Snapshot
    boundary: int

    def has(self, begin: Begin) -> bool:
        """Whether that transaction's changes came with the initial copy."""
        return begin.final_lsn < self.boundary and self.snapshot.sees(begin.xid)


class LogReader:
    """The changes of one table, through a slot and a publication that belong to one pipeline alone.

    Both are named by the pipeline's identity: two pipelines that read one table share no position.
    """

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        pipeline: str,
        defect: Defect | None = None,
    ) -> None:
        self._connection = connection
        self._defect = defect
        self._namespace, self._name = namespace, name
        self._table = _DIALECT.table(namespace, name)
        self.slot_name = f"certification_{pipeline}"

    def check(self, keys: tuple[str, ...]) -> None:
        """Refuse (``configuration``, ``unsupported``) before a publication breaks the source's UPDATEs."""
        [(level,)] = rows(self._connection, "SELECT current_setting('wal_level')")
        if level != "logical":
            raise LoadError(
                FailureCategory.CONFIGURATION, f"cdc needs wal_level=logical at the source; it is {level}"
            )
        [(identity, kind)] = rows(
            self._connection,
            f"SELECT relreplident::text, relkind::text FROM pg_class WHERE oid = {self._regclass()}",
        )
        if kind not in "rp":
            raise LoadError(FailureCategory.UNSUPPORTED, f"cdc needs a table; {self._table} is none")
        if identity == "f":
            return
        index = "indisreplident" if identity == "i" else "indisprimary"
        found = rows(
            self._connection,
            f"SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
            f"AND a.attnum = ANY (i.indkey) WHERE i.indrelid = {self._regclass()} AND i.{index}",
        )
        if identity == "n" or not set(keys) <= {str(column) for (column,) in found}:
            raise LoadError(
                FailureCategory.UNSUPPORTED,
                f"cdc needs {', '.join(keys)} in the replica identity of {self._table}: "
                f"give it that primary key, or REPLICA IDENTITY FULL",
            )

    def _regclass(self) -> str:
        return f"{_DIALECT.literal(self._table)}::regclass"

    def slot(self) -> Slot | None:
        """The slot as it is, or ``None``."""
        found = rows(
            self._connection,
            f"SELECT active, plugin = 'pgoutput' AND coalesce(wal_status, '') <> 'lost', "
            f"confirmed_flush_lsn::text FROM pg_replication_slots "
            f"WHERE slot_name = {_DIALECT.literal(self.slot_name)} AND database = current_database()",
        )
        return next((Slot(active, usable, lsn_number(lsn or "0/0")) for active, usable, lsn in found), None)

    def create(self) -> int:
        """Publication, then slot, anew; the position from which the slot has every commit."""
        self.forget()
        name = _DIALECT.quote(self.slot_name)
        create = f"CREATE PUBLICATION {name} FOR TABLE {self._table} WITH (publish_via_partition_root = true)"
        self._connection.execute(create.encode())
        self._connection.execute(f"SET statement_timeout = '{SLOT_SECONDS}s'".encode())
        try:
            [(lsn,)] = rows(
                self._connection,
                f"SELECT lsn::text FROM pg_create_logical_replication_slot("
                f"{_DIALECT.literal(self.slot_name)}, 'pgoutput')",
            )
        except psycopg.errors.QueryCanceled:
            raise LoadError(
                FailureCategory.CONFLICT,
                f"a slot can only begin when the transactions that are running have ended; one of them "
                f"is open for more than {SLOT_SECONDS} s at the source",
            ) from None
        finally:
            if not self._connection.broken:
                self._connection.execute("SET statement_timeout = 0")
        return lsn_number(lsn)

    def forget(self) -> None:
        """Drop slot and publication; absent is fine, a slot in use is ``conflict``."""
        slot = self.slot()
        if slot is not None:
            if slot.active:
                raise LoadError(FailureCategory.CONFLICT, f"slot {self.slot_name} is in use by another run")
            rows(
                self._connection,
                f"SELECT pg_drop_replication_slot({_DIALECT.literal(self.slot_name)})::text",
            )
        self._connection.execute(f"DROP PUBLICATION IF EXISTS {_DIALECT.quote(self.slot_name)}".encode())

    def advance(self, lsn: int) -> None:
        """Let the server forget everything up to ``lsn``: only for what the sink has committed."""
        slot = self.slot()
        if slot is None or slot.confirmed >= lsn:
            return
        rows(
            self._connection,
            f"SELECT end_lsn::text FROM pg_replication_slot_advance("
            f"{_DIALECT.literal(self.slot_name)}, {_DIALECT.literal(lsn_text(lsn))})",
        )

    def boundary(self) -> int:
        """A position no transaction that is visible now committed at or after."""
        [(lsn,)] = rows(self._connection, "SELECT pg_current_wal_insert_lsn()::text")
        return lsn_number(lsn)

    def end(self) -> int:
        """Where the durable log ends now."""
        [(lsn,)] = rows(self._connection, "SELECT pg_current_wal_flush_lsn()::text")
        return lsn_number(lsn)

    def peek(self, keys: tuple[str, ...], after: int, initial: InitialCopy) -> tuple[Net, int]:
        """The net effect of transactions that end after ``after`` and are not in the initial copy.

        Returns it with the end of the last complete transaction. Transactions that rolled back are not in
        the log's output at all. Nothing is consumed.
        """
        net, position = Net(keys, defect=self._defect), after
        relations: dict[int, Relation] = {}
        pending: list[tuple[Insert | Update | Delete | Truncate, Relation | None]] = []
        skip = False
        for message in self._messages(after):
            match message:
                case Begin():
                    pending, skip = [], initial.has(message)
                case Relation():
                    if self._defect is not Defect.FIRST_LAYOUT_KEPT or message.id not in relations:
                        relations[message.id] = message
                case Truncate() if self._defect is not Defect.TRUNCATE_IGNORED:
                    # The publication has no other table, so it is ours.
                    pending.append((message, None))
                case Insert() | Update() | Delete():
                    # The layout may change inside a transaction: it is the one in force now that counts.
                    layout = relations[message.relation]
                    keeps = self._defect is Defect.FIRST_LAYOUT_KEPT
                    pending.append((cut_to_layout(message, layout) if keeps else message, layout))
                case Commit(_, end) if end > after:
                    if self._defect is Defect.LOG_TAIL_SKIPPED and len(pending) > 1:
                        pending.pop()
                    for change, relation in () if skip else pending:
                        net.apply(change, relation)
                    position = end
        return net, position

    def _messages(self, after: int) -> Iterator[Message]:
        """Decoded messages."""
        if self._defect is Defect.ABORTS_UNHEARD:
            self._connection.execute(STREAMED.encode())
            yield from map(decode, deaf_to_aborts(self._read(STREAMING_OPTIONS), after))
        else:
            yield from map(decode, self._read("'proto_version', '1'"))

    def _read(self, options: str) -> Iterator[bytes]:
        """Messages of pgoutput, fetched in batches through a cursor."""
        self._connection.execute("BEGIN")
        try:
            self._connection.execute(
                f"DECLARE certification_log NO SCROLL CURSOR FOR SELECT data FROM "
                f"pg_logical_slot_peek_binary_changes({_DIALECT.literal(self.slot_name)}, "
                f"{_DIALECT.literal(lsn_text(self.end()))}, NULL, {options}, "
                f"'publication_names', {_DIALECT.literal(_DIALECT.quote(self.slot_name))})".encode()
            )
            while batch := rows(self._connection, f"FETCH {FETCH_ROWS} FROM certification_log"):
                for (data,) in batch:
                    yield bytes(data)
        finally:
            if not self._connection.closed and not self._connection.broken:
                self._connection.execute("ROLLBACK")
