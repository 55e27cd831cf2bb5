"""One judgement: expected rows against one table, under one type contract.

Order of work: match columns, read, check physical types, apply declared losses to what is expected,
compare. The usual case, both sides equal, is decided on Arrow arrays alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import Fingerprint, RowJudgement, RowSample
from certification_pipeline.harness.oracle import scd2
from certification_pipeline.harness.oracle.collecting import (
    Collected,
    Matching,
    collect,
    gather,
    match_columns,
)
from certification_pipeline.harness.oracle.compare import Comparison, Findings, Sides, fingerprint
from certification_pipeline.harness.oracle.contract import Loss, kept_as, lose, not_permitted, value_losses
from certification_pipeline.harness.oracle.model.expected import Expected
from certification_pipeline.harness.oracle.readers.opening import FOLDS_CASE
from certification_pipeline.harness.oracle.readers.reading import BATCH_ROWS, Reader
from certification_pipeline.harness.oracle.sql import key_text
from certification_pipeline.harness.oracle.terms import SinkView
from certification_pipeline.harness.workload.spec import LogicalType

_INTEGERS = (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64)
Fingerprints = dict[tuple[object, ...], Fingerprint]


@dataclass(frozen=True, slots=True)
class ExpectedSide:
    """The expected rows as this sink can hold them: in memory, or as a relation of the connection."""

    table: pa.Table | None
    relation: str
    applied: tuple[tuple[int, Loss], ...]
    """Losses that changed a value."""


class Judgement:
    """Judges one table. ``connection`` is its own; the caller closes it."""

    def __init__(
        self,
        step: str,
        connection: duckdb.DuckDBPyConnection,
        expected: Expected,
        sink: SinkView,
        *,
        added_columns: Sequence[str],
        samples: int,
        known: Fingerprints,
    ) -> None:
        self.step = step
        self.connection = connection
        self.expected = expected
        self.sink = sink
        self.added_columns = added_columns
        self.samples = samples
        self.known = known
        """Fingerprints of expected rows, shared by all judgements of one oracle."""

    def unreadable(self, remark: str) -> RowJudgement:
        """The red judgement about a table that could not be compared."""
        everything = tuple(range(len(self.expected.fields)))
        return RowJudgement(
            step=self.step,
            expected=self._fingerprint(self._expected_side(()), everything),
            actual=Fingerprint(rows=0, digest="unreadable"),
            anomalies={Anomaly.LOST: self.expected.rows} if self.expected.rows else {},
            remark=remark,
        )

    def judge(self, reader: Reader) -> RowJudgement:
        """Read the table and judge it. Raises :class:`Unreadable` through the reader."""
        fields = self.expected.fields
        matching = match_columns(
            reader.columns(),
            fields,
            folds_case=self.sink.system in FOLDS_CASE,
            tolerated=self.expected.tolerated,
            added=self.added_columns,
        )
        if keys := [fields[i].name for i in self.expected.keys if i in matching.missing]:
            return self.unreadable(f"{self.sink}: key column missing: {', '.join(keys)}")
        rules = self._rules(matching)
        watched = [(i, loss) for i, rule in rules.items() for loss in value_losses(rule)]
        actual = collect(self.connection, reader, matching, fields, watched)
        side = self._expected_side([one for one in watched if one not in actual.held])
        findings = self._compare(side, actual, tuple(matching.present))
        return Verdict(self, matching, actual, rules, side.applied).judgement(findings)

    def _rules(self, matching: Matching) -> dict[int, TypeRule]:
        """The type contract by position; scd2's validity columns have none."""
        judged = set(matching.present) - set(self.expected.validity or ())
        rules = {i: self.sink.types.get(self.expected.fields[i].type) for i in judged}
        return {i: rule for i, rule in rules.items() if rule is not None}

    # --- comparing ----------------------------------------------------------------------------------

    def _compare(self, side: ExpectedSide, actual: Collected, positions: tuple[int, ...]) -> Findings:
        if self._equal_in_memory(side, actual, positions):
            same = self._fingerprint(side, positions)
            return Findings(same, same, {}, {}, ())
        right = self._actual_relation(actual, positions)
        sides = Sides(
            expected=self._any_value_filled(side.relation, right, positions),
            actual=right,
            names=[f.name for f in self.expected.fields],
            compared=positions,
            keys=self.expected.keys,
            images=partial(self._images, self.expected.images, side.applied)
            if self.expected.images
            else None,
            aborted=partial(self._images, self.expected.aborted, side.applied)
            if self.expected.aborted
            else None,
            deleted=self.expected.deleted,
        )
        findings = Comparison(self.connection, sides, self.samples).run()
        validity = self.expected.validity
        if findings.anomalies or validity is None or not set(validity) <= set(positions):
            return findings
        wrong = scd2.out_of_order(self.connection, sides.expected, right, sides.keys, positions)
        return scd2.with_disorder(findings, wrong, sides.names[validity[0]])

    def _equal_in_memory(self, side: ExpectedSide, actual: Collected, positions: tuple[int, ...]) -> bool:
        """Whether both sides are small and equal; ``False`` also means 'do not know yet'."""
        if side.table is None or actual.table is None or side.table.num_rows != actual.rows:
            return False
        if self.expected.validity or any(f.unless for f in self.expected.fields):
            return False
        table = actual.table.combine_chunks()
        order = [i for i in self.expected.order if i in positions]
        if not all(table[f"c{i}"].equals(side.table[f"c{i}"]) for i in order):
            table = sorted_by(table, [(i, self.expected.fields[i].type) for i in order])
        return all(table[f"c{i}"].equals(side.table[f"c{i}"]) for i in positions)

    # --- the two sides ------------------------------------------------------------------------------

    def _expected_side(self, losses: Sequence[tuple[int, Loss]]) -> ExpectedSide:
        if self.expected.table is None and not losses:
            return ExpectedSide(None, f"({self.expected.query})", ())
        applied: list[tuple[int, Loss]] = []
        if self.expected.table is not None:
            table = _lossy(self.expected.table, losses, applied)
            self.connection.register("expected_rows", table)
            return ExpectedSide(table, "expected_rows", tuple(applied))
        with self.connection.cursor() as reading:
            stream = reading.sql(self.expected.query).to_arrow_reader(BATCH_ROWS)
            batches = (_lossy(pa.Table.from_batches([batch]), losses, applied) for batch in stream)
            rows = gather(self.connection, batches, len(self.expected.fields))
        if rows.relation is None:
            self.connection.register("expected_rows", rows.table)
        return ExpectedSide(None, rows.relation or "expected_rows", tuple(dict.fromkeys(applied)))

    def _actual_relation(self, actual: Collected, positions: tuple[int, ...]) -> str:
        relation = actual.relation or "actual_rows"
        if actual.relation is None:
            self.connection.register("actual_rows", actual.table)
        validity = self.expected.validity
        if validity is None or not set(validity) <= set(positions):
            return relation
        query = scd2.reduced(relation, self.expected.keys, validity, positions)
        self.connection.execute(f"CREATE TEMP TABLE reduced_rows AS SELECT * FROM {query}")
        return "reduced_rows"

    def _any_value_filled(self, expected: str, actual: str, positions: tuple[int, ...]) -> str:
        """Where any value is right, expect the one that is there."""
        free = [i for i, f in enumerate(self.expected.fields) if f.unless and i in positions]
        if not free:
            return expected
        key = key_text([f"c{i}" for i in self.expected.keys])
        there = ", ".join(f"first(c{i}) AS c{i}" for i in free)
        columns = ", ".join(
            f"CASE WHEN e.any{i} AND a.k IS NOT NULL THEN a.c{i} ELSE e.c{i} END AS c{i}"
            if i in free
            else f"e.c{i}"
            for i in positions
        )
        return (
            f"(SELECT e.eid, {columns} FROM (SELECT *, {key} AS k FROM {expected}) AS e "
            f"LEFT JOIN (SELECT {key} AS k, {there} FROM {actual} GROUP BY ALL HAVING k IS NOT NULL) AS a "
            f"ON a.k = e.k)"
        )

    def _images(self, query: str, losses: Sequence[tuple[int, Loss]], keys: str) -> pa.Table:
        """Images of some keys, as the sink can hold them."""
        images = self.connection.sql(f"SELECT * FROM ({query}) WHERE k IN ({keys})").to_arrow_table()
        return _lossy(images, losses, [])

    def _fingerprint(self, side: ExpectedSide, positions: tuple[int, ...]) -> Fingerprint:
        identity = (*self.expected.identity, positions, side.applied)
        if not self.expected.identity or identity not in self.known:
            columns = [f"c{i}" for i in positions]
            self.known[identity] = fingerprint(self.connection, side.relation, columns)
        return self.known[identity]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Puts row findings together with what is wrong about columns and their types."""

    asked: Judgement
    matching: Matching
    actual: Collected
    rules: Mapping[int, TypeRule]
    applied: tuple[tuple[int, Loss], ...]

    def judgement(self, findings: Findings) -> RowJudgement:
        """The judgement."""
        anomalies, columns = dict(findings.anomalies), dict(findings.columns)
        samples: list[RowSample] = []
        arrived = findings.expected.rows - anomalies.get(Anomaly.LOST, 0)
        for position, wrong in self._wrong_types().items():
            name = self._name(position)
            columns[name] = arrived
            anomalies[Anomaly.CORRUPT] = arrived
            permitted = " or ".join(self.rules[position].physical)
            samples.append(
                _about_column(Anomaly.CORRUPT, name, f"type {permitted}", f"type {', '.join(wrong)}")
            )
        for position in self.matching.missing:
            name = self._name(position)
            columns[name] = findings.expected.rows
            anomalies[Anomaly.LOST] = findings.expected.rows
            samples.append(_about_column(Anomaly.LOST, name, "the column", None))
        room = self.asked.samples
        return RowJudgement(
            step=self.asked.step,
            expected=findings.expected,
            actual=findings.actual,
            anomalies={kind: anomalies[kind] for kind in Anomaly if anomalies.get(kind)},
            columns={name: count for name, count in columns.items() if count},
            declared_losses=self._declared(),
            seen_columns=tuple(map(self._name, sorted(self.matching.present))),
            missing_columns=tuple(map(self._name, self.matching.missing)),
            unexpected_columns=tuple(self.matching.unexpected),
            samples=(*samples, *findings.samples)[:room],
            remark=self._remark(),
        )

    def _remark(self) -> str | None:
        """What row counts cannot say, above all where there are no rows to count."""
        fields = self.asked.expected.fields
        remarks = []
        if self.matching.unexpected:
            remarks.append(f"unexpected columns: {', '.join(self.matching.unexpected)}")
        if self.matching.missing:
            remarks.append(f"missing columns: {', '.join(map(self._name, self.matching.missing))}")
        if wrong := self._wrong_types():
            remarks.append(
                "types not permitted: "
                + ", ".join(f"{self._name(i)} is {'/'.join(w)}" for i, w in wrong.items())
            )
        judged = set(self.matching.present) - set(self.asked.expected.validity or ())
        if bare := sorted({fields[i].type for i in judged if i not in self.rules}):
            remarks.append(f"no type contract for {', '.join(bare)} in {self.asked.sink.system}")
        return "; ".join(remarks) or None

    def _wrong_types(self) -> dict[int, list[str]]:
        wrong = {i: not_permitted(rule, self.actual.physical[i]) for i, rule in sorted(self.rules.items())}
        return {i: sorted(types) for i, types in wrong.items() if types}

    def _declared(self) -> dict[str, str]:
        losses: dict[str, list[str]] = {}
        for position, rule in sorted(self.rules.items()):
            for loss in kept_as(rule, self.actual.physical[position]):
                losses.setdefault(self._name(position), []).append(loss)
        for position, loss in self.applied:
            losses.setdefault(self._name(position), []).append(loss)
        return {name: ", ".join(found) for name, found in losses.items()}

    def _name(self, position: int) -> str:
        return self.asked.expected.fields[position].name


def _about_column(anomaly: Anomaly, name: str, expected: str | None, actual: str | None) -> RowSample:
    return RowSample(anomaly=anomaly, key={}, column=name, expected=expected, actual=actual)


def _lossy(table: pa.Table, losses: Sequence[tuple[int, Loss]], applied: list[tuple[int, Loss]]) -> pa.Table:
    """The rows as the sink can hold them; losses that changed something are added to ``applied``."""
    for position, loss in losses:
        name = f"c{position}"
        column, changed = lose(loss, table[name].combine_chunks())
        if changed:
            table = table.set_column(table.column_names.index(name), name, column)
            if (position, loss) not in applied:
                applied.append((position, loss))
    return table


def sorted_by(table: pa.Table, order: Sequence[tuple[int, LogicalType]]) -> pa.Table:
    """As the model sorts: integer keys by number, all else by text; NULL last."""
    columns = {}
    for position, logical in order:
        column = table[f"c{position}"]
        if logical in _INTEGERS:
            try:
                column = pc.cast(column, pa.int64())
            except pa.ArrowInvalid:  # not a number: no order can make the sides equal
                return table
        columns[f"c{position}"] = column
    keys = [(name, "ascending") for name in columns]
    return table.take(pc.sort_indices(pa.table(columns), sort_keys=keys))
