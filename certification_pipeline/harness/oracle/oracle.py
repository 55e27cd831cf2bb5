"""The oracle's public face: judge a sink against the reference model, or two live tables against each other.

Independent by construction: it reads by its own path, never through an engine, and shares no code with
the reference engine (law 5). A table that cannot be read is a red judgement with a remark, never a pass.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from certification_pipeline.evidence.cell import Fingerprint, RowJudgement
from certification_pipeline.harness.oracle.collecting import collect, match_columns
from certification_pipeline.harness.oracle.compare import fingerprint
from certification_pipeline.harness.oracle.copying import Copy
from certification_pipeline.harness.oracle.judging import Fingerprints, Judgement
from certification_pipeline.harness.oracle.model.expected import Expectations
from certification_pipeline.harness.oracle.model.projection import Field
from certification_pipeline.harness.oracle.raw_streams import TooDifferent
from certification_pipeline.harness.oracle.readers.opening import FOLDS_CASE, Missing, open_table
from certification_pipeline.harness.oracle.sql import literal
from certification_pipeline.harness.oracle.terms import (
    History,
    Region,
    Resync,
    Semantics,
    SinkView,
    Unreadable,
)
from certification_pipeline.harness.workload.spec import LogicalType, TableSpec

__all__ = ["History", "Oracle", "Region", "Resync", "Semantics", "SinkView", "Unreadable"]


class Oracle:
    """Judges rows. One instance serves a whole run and may be shared by threads; close it at the end.

    ``work_dir`` takes spill files (removed by :meth:`close`); ``memory_limit`` is DuckDB's notation;
    ``samples`` bounds how many anomalous rows a judgement shows.
    """

    def __init__(self, work_dir: Path, memory_limit: str = "1GB", samples: int = 20) -> None:
        self._spill = work_dir / "oracle-spill"
        self._spill.mkdir(parents=True, exist_ok=True)
        self._database = duckdb.connect(
            ":memory:", config={"memory_limit": memory_limit, "temp_directory": str(self._spill)}
        )
        self._samples = samples
        self._expectations = Expectations(self._database.cursor())
        self._fingerprints: Fingerprints = {}

    def judge(self, step: str, history: History, semantics: Semantics, sink: SinkView) -> RowJudgement:
        """Compare the sink with what the strategy must have yielded after ``history``.

        Never raises for anything the sink may be or contain: a missing or damaged table is a failed
        judgement whose ``remark`` says so.
        """
        with self._expectations.using(history, semantics) as expected, self._connection() as connection:
            judgement = Judgement(
                step,
                connection,
                expected,
                sink,
                added_columns=semantics.added_columns,
                samples=self._samples,
                known=self._fingerprints,
            )
            try:
                with open_table(sink) as reader:
                    return judgement.judge(reader)
            except Unreadable as error:
                return judgement.unreadable(str(error))

    def judge_copy(
        self,
        step: str,
        source: SinkView,
        sink: SinkView,
        spec: TableSpec,
        added_columns: tuple[str, ...] = (),
    ) -> RowJudgement:
        """Compare two live tables that must hold the same rows (no history, so nothing is ``stale``).

        Memory stays flat however large they are. A table that cannot be read makes the judgement red.
        """
        try:
            try:
                return self._compare_copy(step, source, sink, spec, added_columns, by_streams=True)
            except TooDifferent:
                return self._compare_copy(step, source, sink, spec, added_columns, by_streams=False)
        except Unreadable as error:
            nothing = Fingerprint(rows=0, digest="unreadable")
            return RowJudgement(step=step, expected=nothing, actual=nothing, anomalies={}, remark=str(error))

    def _compare_copy(
        self,
        step: str,
        source: SinkView,
        sink: SinkView,
        spec: TableSpec,
        added_columns: tuple[str, ...],
        *,
        by_streams: bool,
    ) -> RowJudgement:
        with self._connection() as connection, open_table(source) as ours, open_table(sink) as theirs:
            copy = Copy(step, connection, spec, source, sink, added_columns, self._samples, by_streams)
            return copy.judge(ours, theirs)

    def fingerprint_sink(
        self,
        sink: SinkView,
        spec: TableSpec,
        added_columns: tuple[str, ...] = (),
        outside: Region | None = None,
        besides: Collection[int] = (),
    ) -> Fingerprint:
        """Digest of all rows and columns but ``added_columns``, to tell whether a load changed anything.

        With ``outside`` only of the rows that are not in that region, nor have one of the keys ``besides``.

        A table that is not there has the fingerprint ``rows=0, digest="absent"``. Raises
        :class:`Unreadable` when it is there and cannot be read.
        """
        try:
            with self._connection() as connection, open_table(sink) as reader:
                folds = sink.system in FOLDS_CASE
                fields = [Field(c.name, c.type, "", "") for c in spec.columns]
                first = match_columns(reader.columns(), fields, folds_case=folds, added=added_columns)
                fields += [Field(name, LogicalType.TEXT, "", "") for name in first.unexpected]
                matching = match_columns(reader.columns(), fields, folds_case=folds, added=added_columns)
                rows = collect(connection, reader, matching, fields)
                if rows.table is not None:
                    connection.register("sink_rows", rows.table)
                columns = [f"c{i}" for i in matching.present]
                relation = rows.relation or "sink_rows"
                if outside is not None:
                    where = f"NOT {_held(outside, fields)}"
                    if besides:
                        key = next(i for i, f in enumerate(fields) if f.name == spec.primary_key[0])
                        where += f" AND c{key} NOT IN ({', '.join(literal(str(one)) for one in besides)})"
                    relation = f"(SELECT * FROM {relation} WHERE {where})"
                found = fingerprint(connection, relation, columns)
                shape = "\0".join(matching.present.values()).encode()
                digest = f"{found.digest}:{hashlib.blake2b(shape, digest_size=8).hexdigest()}"
                return Fingerprint(rows=found.rows, digest=digest)
        except Missing:
            return Fingerprint(rows=0, digest="absent")

    def expected_rows(self, history: History, semantics: Semantics) -> int:
        """How many rows the model expects, e.g. to check an engine's counts."""
        with self._expectations.using(history, semantics) as expected:
            return expected.rows

    def close(self) -> None:
        """Release memory and spill files; idempotent."""
        self._database.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own on the shared database: its temporary tables end with it."""
        connection = self._database.cursor()
        try:
            yield connection
        finally:
            connection.close()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _held(region: Region, fields: list[Field]) -> str:
    """Condition on rows of canonical text."""
    position = next(i for i, field in enumerate(fields) if field.name == region.column)
    text = f"c{position}"
    days = f"TRY_CAST({text} AS DATE) - DATE '1970-01-01'"
    return region.holds(days if region.of == "partition" else f"TRY_CAST({text} AS BIGINT)")
