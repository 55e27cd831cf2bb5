"""Judges whether two live tables hold the same rows, each read once by its own reader.

Two PostgreSQL tables of the same column types go the short way (:mod:`raw_streams`): only rows under
differing keys are parsed and compared. Every other pair is read whole, the source as the expected side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.harness.oracle.collecting import Matching, collect, match_columns
from certification_pipeline.harness.oracle.contract import not_permitted
from certification_pipeline.harness.oracle.judging import Fingerprints, Judgement, sorted_by
from certification_pipeline.harness.oracle.model.expected import Expected
from certification_pipeline.harness.oracle.model.projection import Field
from certification_pipeline.harness.oracle.raw_streams import RawFindings, compare_streams
from certification_pipeline.harness.oracle.readers.opening import FOLDS_CASE, OpenTable
from certification_pipeline.harness.oracle.readers.postgres import PostgresReader
from certification_pipeline.harness.oracle.readers.reading import Reader
from certification_pipeline.harness.oracle.terms import SinkView, Unreadable
from certification_pipeline.harness.workload.spec import LogicalType, TableSpec

_INTEGERS = (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64)


@dataclass(frozen=True, slots=True)
class Copy:
    """One comparison of two open tables."""

    step: str
    connection: duckdb.DuckDBPyConnection
    spec: TableSpec
    source: SinkView
    sink: SinkView
    added_columns: Sequence[str]
    samples: int
    by_streams: bool = True
    """Whether the short way may be tried."""

    def judge(self, source: OpenTable, sink: OpenTable) -> RowJudgement:
        """Compare.

        Raises :class:`Unreadable` through the readers, and :class:`raw_streams.TooDifferent` when the
        short way turns out to be the longer one: then open the tables again and go the other.
        """
        fields = [Field(c.name, c.type, "", "") for c in self.spec.columns]
        ours = match_columns(
            source.columns(), fields, folds_case=self.source.system in FOLDS_CASE, added=["*"]
        )
        if ours.missing:
            names = ", ".join(fields[i].name for i in ours.missing)
            raise Unreadable(f"{self.source}: columns missing at the source: {names}")
        theirs = match_columns(
            sink.columns(), fields, folds_case=self.sink.system in FOLDS_CASE, added=self.added_columns
        )
        if self.by_streams and self._same_text(source, sink, ours, theirs):
            return self._by_streams(source, sink, fields, ours, theirs)
        return self._judgement(fields, source, ours).judge(sink)

    def _judgement(self, fields: list[Field], source: Reader, ours: Matching) -> Judgement:
        rows = collect(self.connection, source, ours, fields)
        names = list(self.spec.column_names)
        keys = tuple(names.index(key) for key in self.spec.primary_key)
        table = None
        if rows.table is not None:
            table = sorted_by(rows.table, [(i, fields[i].type) for i in keys])
            table = table.append_column("eid", pa.array(range(table.num_rows), pa.int64()))
        expected = Expected(
            fields=tuple(fields),
            keys=keys,
            order=keys,
            rows=rows.rows,
            query=f"SELECT 0::BIGINT AS eid, * FROM {rows.relation}",
            table=table,
            tolerated=frozenset(),
            validity=None,
            images=None,
            aborted=None,
            deleted=None,
        )
        known: Fingerprints = {}
        return Judgement(
            self.step,
            self.connection,
            expected,
            self.sink,
            added_columns=self.added_columns,
            samples=self.samples,
            known=known,
        )

    # --- the short way ------------------------------------------------------------------------------

    def _same_text(self, source: OpenTable, sink: OpenTable, ours: Matching, theirs: Matching) -> bool:
        """Whether equal values must have equal COPY text: same types, all there, integer keys."""
        if not source.has_lines or not sink.has_lines or theirs.missing or theirs.unexpected:
            return False
        if any(self.spec.column(key).type not in _INTEGERS for key in self.spec.primary_key):
            return False
        types, their_types = source.physical(), sink.physical()
        for position, name in ours.present.items():
            kinds = their_types[theirs.present[position]]
            rule = self.sink.types.get(self.spec.columns[position].type)
            if types[name] != kinds or rule is None or not_permitted(rule, kinds):
                return False
        return True

    def _by_streams(
        self,
        source: OpenTable,
        sink: OpenTable,
        fields: list[Field],
        ours: Matching,
        theirs: Matching,
    ) -> RowJudgement:
        names = (list(ours.present.values()), list(theirs.present.values()))
        found = compare_streams(source, sink, names, self.spec.primary_key)
        if not found.only_source and not found.only_sink:
            return RowJudgement(step=self.step, expected=found.source, actual=found.source, anomalies={})
        keys = self._keys(found, names)
        their_keys = [names[1][names[0].index(key)] for key in self.spec.primary_key]
        judgement = self._judgement(fields, source.restricted(self.spec.primary_key, keys), ours)
        judged = judgement.judge(sink.restricted(their_keys, keys))
        equal = judged.outcome is Outcome.PASSED  # e.g. json that differs in white space only
        return judged.model_copy(
            update={"expected": found.source, "actual": found.source if equal else found.sink}
        )

    def _keys(self, found: RawFindings, names: tuple[list[str], list[str]]) -> list[tuple[str, ...]]:
        """Keys of all lines that only one side has; those with a NULL are always read."""
        keys: set[tuple[str, ...]] = set()
        for lines, columns in ((found.only_source, names[0]), (found.only_sink, names[1])):
            for table in PostgresReader.parsed(lines, columns):
                picked = [table.column(names[0].index(key)).to_pylist() for key in self.spec.primary_key]
                keys |= {key for key in zip(*picked, strict=True) if None not in key}
        return sorted(keys)
