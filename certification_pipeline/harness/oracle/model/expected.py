"""What must be in the sink: the answer of a reference model, ready to be compared.

Small answers (the usual case) are Arrow tables, made once for all routes that share them; large ones
stay queries, so that memory does not grow with them.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.oracle.model.projection import Field, project
from certification_pipeline.harness.oracle.model.source_log import SourceLog
from certification_pipeline.harness.oracle.model.strategies import Loads, Model
from certification_pipeline.harness.oracle.sql import one_row
from certification_pipeline.harness.oracle.terms import History, Semantics
from certification_pipeline.harness.workload.spec import LogicalType

_SMALL_CELLS = 8_000_000
"""Rows x columns up to which an expected table is kept in memory as Arrow."""
_KEPT_ANSWERS = 64
_KEPT_LOGS = 16

VALID_FROM, OPEN, CLOSED, CLOSED_BY_NEXT = "set", None, "closed", "closed as the next version opens"
"""What the validity columns of scd2 are reduced to: instants themselves are the engine's business."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected rows, as columns ``c0`` … of canonical text in the order of ``fields``.

    ``query`` gives the columns ``eid, c0, …`` (and ``any0 …`` for rows where any value is right).
    """

    fields: tuple[Field, ...]
    keys: tuple[int, ...]
    """Positions of the primary key among the fields."""
    order: tuple[int, ...]
    """Positions that (nearly) identify a row, to sort by."""
    rows: int
    query: str
    table: pa.Table | None
    tolerated: frozenset[str]
    validity: tuple[int, int] | None
    """Positions of scd2's validity columns."""
    images: str | None
    """Every image ever, as a query of ``k, eid, c0, …``, for telling stale rows."""
    aborted: str | None
    """Images that a transaction wrote which rolled back, as a query of ``k, eid, c0, …``."""
    deleted: str | None
    """Keys that must be gone because the source deleted them, as a query of ``k``."""
    identity: tuple[object, ...] = field(default=(), compare=False)


class Expectations:
    """Computes expected tables and remembers them. Safe for threads."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._in_use: Counter[str] = Counter()
        self._logs: OrderedDict[str, SourceLog] = OrderedDict()
        self._answers: OrderedDict[tuple[object, ...], tuple[Expected, str]] = OrderedDict()

    @contextmanager
    def using(self, history: History, semantics: Semantics) -> Iterator[Expected]:
        """The expected sink after ``history`` under ``semantics``; its queries hold inside the context."""
        name = history.workload.identity
        with self._lock:
            self._in_use[name] += 1
        try:
            yield self._get(history, semantics)
        finally:
            with self._lock:
                self._in_use[name] -= 1

    def _get(self, history: History, semantics: Semantics) -> Expected:
        options = history.load_options or (semantics.options,) * len(history.loads)
        logic = tuple((o.partition_from, o.partition_to, o.cursor_nulls, o.lookback_seconds) for o in options)
        identity = (
            history.workload.identity,
            history.loads,
            history.aborted,
            history.resyncs,
            logic,
            semantics.strategy,
            semantics.propagates_deletes,
            semantics.propagates_updates,
            semantics.drift,
            semantics.scd2_columns if semantics.strategy is Strategy.SCD2 else None,
        )
        with self._lock:
            if identity in self._answers:
                self._answers.move_to_end(identity)
                return self._answers[identity][0]
            log = self._log(history)
            loads = Loads(
                history.loads,
                options,
                semantics.propagates_deletes,
                history.resyncs,
                semantics.propagates_updates,
            )
            state = Model(self._connection, log, loads).build(semantics.strategy)
            expected = self._expected(log, history, semantics, state, identity)
            if expected.table is not None:
                self._connection.execute(f"DROP TABLE {state}")
                state = ""
            self._answers[identity] = (expected, state)
            self._forget()
            return expected

    def _log(self, history: History) -> SourceLog:
        name = history.workload.identity
        log = self._logs.get(name)
        if log is None:
            log = self._logs[name] = SourceLog(self._connection, history.workload)
        self._logs.move_to_end(name)
        log.ensure(max((history.last_round, *history.aborted)))
        return log

    def _forget(self) -> None:
        """Drop the longest unused, but nothing that a judgement is looking at."""
        for name in [n for n in self._logs if not self._in_use[n]][: max(0, len(self._logs) - _KEPT_LOGS)]:
            for identity in [i for i in self._answers if i[0] == name]:
                self._drop(identity)
            self._logs.pop(name).drop()
        idle = [i for i in self._answers if not self._in_use[str(i[0])]]
        for identity in idle[: max(0, len(self._answers) - _KEPT_ANSWERS)]:
            self._drop(identity)

    def _drop(self, identity: tuple[object, ...]) -> None:
        _, state = self._answers.pop(identity)
        if state:
            self._connection.execute(f"DROP TABLE {state}")

    def _expected(
        self,
        log: SourceLog,
        history: History,
        semantics: Semantics,
        state: str,
        identity: tuple[object, ...],
    ) -> Expected:
        seen = [log.layouts[round_] for round_ in history.loads] or [log.layouts[0]]
        merges = semantics.strategy is Strategy.INCREMENTAL_MERGE
        projection = project(seen, semantics.drift, history.loads if merges else ())
        fields = list(projection.fields)
        validity = None
        if semantics.strategy is Strategy.SCD2:
            validity = (len(fields), len(fields) + 1)
            fields += _validity_fields(semantics.scd2_columns)
        names = [f.name for f in fields]
        spec = seen[-1].spec
        keys = tuple(names.index(name) for name in spec.primary_key)
        order = keys
        if semantics.strategy is Strategy.INCREMENTAL_APPEND and spec.cursor in names:
            order = (*keys, names.index(str(spec.cursor)))
        query = _query(log, state, fields)
        (count,) = one_row(self._connection, f"SELECT count(*) FROM {state}")
        table = None
        if count * len(fields) <= _SMALL_CELLS:
            by = ", ".join(_sort_key(fields[i].type, i) for i in order)
            table = self._connection.sql(f"{query} ORDER BY {by}").to_arrow_table()
        last = history.last_round
        return Expected(
            fields=tuple(fields),
            keys=keys,
            order=order,
            rows=count,
            query=query,
            table=table,
            tolerated=projection.tolerated,
            validity=validity,
            images=_images(log, fields, f"round <= {last}"),
            aborted=_images(log, fields, _one_of(history.aborted)) if history.aborted else None,
            deleted=log.deleted(last) if _must_delete(semantics) else None,
            identity=identity,
        )


def _query(log: SourceLog, state: str, fields: list[Field]) -> str:
    columns = [f"{f.value} AS c{i}" for i, f in enumerate(fields)]
    columns += [f"({f.unless}) AS any{i}" for i, f in enumerate(fields) if f.unless]
    chosen = ", ".join(columns)
    rows = state
    if "next_load" in chosen:
        rows = f"(SELECT *, lead(load) OVER (PARTITION BY k ORDER BY load, eid) AS next_load FROM {state})"
    return f"SELECT s.eid AS eid, {chosen} FROM {rows} AS s JOIN {log.table} AS l ON l.eid = s.eid"


def _images(log: SourceLog, fields: list[Field], rounds: str) -> str:
    columns = ", ".join(f"{f.image} AS c{i}" for i, f in enumerate(fields))
    return f"SELECT l.k AS k, l.eid AS eid, {columns} FROM {log.table} AS l WHERE NOT gone AND {rounds}"


def _one_of(rounds: tuple[int, ...]) -> str:
    return f"round IN ({', '.join(map(str, rounds))})"


def _validity_fields(names: tuple[str, str]) -> list[Field]:
    """Reduced to what every engine must agree on; see :func:`scd2.reduced`."""
    closed = (
        f"CASE WHEN s.closed IS NULL THEN NULL WHEN s.closed = s.next_load THEN '{CLOSED_BY_NEXT}' "
        f"ELSE '{CLOSED}' END"
    )
    text = LogicalType.TIMESTAMPTZ
    return [
        Field(names[0], text, f"'{VALID_FROM}'", f"'{VALID_FROM}'"),
        Field(names[1], text, closed, "NULL"),
    ]


def _sort_key(logical: LogicalType, position: int) -> str:
    if logical in (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64):
        return f"c{position}::BIGINT"
    return f"c{position} NULLS LAST"


def _must_delete(semantics: Semantics) -> bool:
    """Whether a key that the source deleted must be gone (it may still be expected, e.g. in history)."""
    if semantics.propagates_deletes is not None:
        return semantics.propagates_deletes
    return semantics.strategy in (
        Strategy.FULL_REFRESH,
        Strategy.REPLACE,
        Strategy.SNAPSHOT_DIFF,
        Strategy.CDC,
        Strategy.PARTITION_REPLACE,
    )
