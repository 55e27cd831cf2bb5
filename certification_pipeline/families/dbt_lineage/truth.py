"""What dbt must have made of the landed rows, reckoned beside it, and counted in the database without it.

Reads with psycopg or DuckDB, through neither dbt nor the engine. The landed rows themselves were judged by
the oracle before; here they are the given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple, TypeVar

import duckdb
import psycopg

from certification_pipeline.evidence.cell import CheckJudgement

Rows = list[tuple[object, ...]]
Query = Callable[[str], Rows]
K = TypeVar("K")
V = TypeVar("V")
Comparison = Literal["equal", "at_least"]

STEP = "after build 2"


class Order(NamedTuple):
    """A landed row, as far as the project uses it. ``updated`` is microseconds since 1970, UTC."""

    ordered_on: date
    status: str
    quantity: int
    amount: Decimal
    note: str | None
    updated: int | None

    @property
    def tracked(self) -> tuple[object, ...]:
        """What the snapshot compares."""
        return self[:5]


Landed = Mapping[int, Order]

_MICROSECONDS: Mapping[str, str] = {
    "duckdb": "epoch_us({})",
    "postgres": "(extract(epoch from {}) * 1000000)::bigint",
}


@dataclass(frozen=True)
class Database:
    """One target's database, opened for a moment: DuckDB lets one process in at a time."""

    system: str
    dsn: str
    namespace: str

    def landed(self, table: str) -> dict[int, Order]:
        """The table a load wrote, by key."""
        columns = "id, business_date, status, quantity, coalesce(amount, 0), note, " + self._time(
            "updated_at"
        )
        with self._open() as query:
            rows = query(f"SELECT {columns} FROM {self._table(table)}")
        return {_whole(row[0]): _order(row[1:]) for row in rows}

    def check(self, before: Landed, after: Landed) -> tuple[CheckJudgement, ...]:
        """Hold what dbt made in two rounds against the rows that were landed before each."""
        with self._open() as query:
            return tuple(_checks(before, after, _Made(self, query)))

    @contextmanager
    def _open(self) -> Iterator[Query]:
        if self.system == "duckdb":
            with duckdb.connect(self.dsn, read_only=True) as file:
                yield lambda sql: file.execute(sql).fetchall()
        else:
            with psycopg.connect(self.dsn, autocommit=True) as server:
                yield lambda sql: server.execute(sql.encode()).fetchall()

    def _table(self, name: str) -> str:
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.namespace, name))

    def _time(self, column: str) -> str:
        return _MICROSECONDS[self.system].format(column)


@dataclass(frozen=True)
class _Made:
    """What dbt left in the database."""

    database: Database
    query: Query

    def count(self, model: str, where: str = "true") -> int:
        rows = self.query(f"SELECT count(*) FROM {self.database._table(model)} WHERE {where}")
        return _whole(rows[0][0])

    def by_day(self) -> dict[date, tuple[int, int, int | None]]:
        time = self.database._time("last_updated_at")
        rows = self.query(f"SELECT ordered_on, orders, quantity, {time} FROM {self._name('orders_by_day')}")
        return {_day(row[0]): (_whole(row[1]), _whole(row[2]), _moment(row[3])) for row in rows}

    def current(self) -> dict[int, tuple[object, ...]]:
        time = self.database._time("updated_at")
        columns = f"order_id, ordered_on, status, quantity, amount, {time}"
        rows = self.query(f"SELECT {columns} FROM {self._name('orders_current')}")
        return {_whole(row[0]): tuple(row[1:]) for row in rows}

    def _name(self, model: str) -> str:
        return self.database._table(model)


def _checks(before: Landed, after: Landed, made: _Made) -> Iterator[CheckJudgement]:
    yield _check("stg_orders.rows", len(after), made.count("stg_orders"))

    days = _by_day(after)
    found = made.by_day()
    yield _check("orders_by_day.rows", len(days), made.count("orders_by_day"))
    yield _check("orders_by_day.differing", 0, _differing(days, found))

    # The incremental model keeps what it has, and takes what is not older than the newest it has.
    newest = max((order.updated for order in before.values() if order.updated is not None), default=None)
    taken = {
        key: order
        for key, order in after.items()
        if order.updated is None or newest is None or order.updated >= newest
    }
    current = {key: _current(order) for key, order in {**before, **taken}.items()}
    yield _check("orders_current.rows", len(current), made.count("orders_current"))
    yield _check("orders_current.differing", 0, _differing(current, made.current()))
    merged = sum(before.get(key) != order for key, order in taken.items())
    yield _check("orders_current.merged", 1, merged, "at_least")

    # The snapshot closes a version when its order changed or went, and opens one when it changed or came.
    changed = sum(before[key].tracked != order.tracked for key, order in after.items() if key in before)
    gone, new = len(before.keys() - after.keys()), len(after.keys() - before.keys())
    yield _check("orders_history.versions", len(before) + changed + new, made.count("orders_history"))
    yield _check("orders_history.open", len(after), made.count("orders_history", "dbt_valid_to IS NULL"))
    closed = made.count("orders_history", "dbt_valid_to IS NOT NULL")
    # With nothing to close, a snapshot that closes nothing would pass.
    yield _check("orders_history.closed", max(changed + gone, 1), closed)


def _by_day(landed: Landed) -> dict[date, tuple[int, int, int | None]]:
    days: dict[date, list[Order]] = {}
    for order in landed.values():
        days.setdefault(order.ordered_on, []).append(order)
    return {
        day: (
            len(orders),
            sum(order.quantity for order in orders),
            max((order.updated for order in orders if order.updated is not None), default=None),
        )
        for day, orders in days.items()
    }


def _current(order: Order) -> tuple[object, ...]:
    return (order.ordered_on, order.status, order.quantity, order.amount, order.updated)


def _differing(expected: Mapping[K, V], found: Mapping[K, V]) -> int:
    return sum(
        key not in expected or key not in found or expected[key] != found[key] for key in {*expected, *found}
    )


def _check(name: str, expected: int, observed: int, comparison: Comparison = "equal") -> CheckJudgement:
    return CheckJudgement(step=STEP, name=name, expected=expected, observed=observed, comparison=comparison)


def _order(row: tuple[object, ...]) -> Order:
    day, status, quantity, amount, note, updated = row
    return Order(
        _day(day),
        str(status),
        _whole(quantity),
        Decimal(str(amount)),
        None if note is None else str(note),
        _moment(updated),
    )


def _day(value: object) -> date:
    if not isinstance(value, date):
        raise TypeError(f"{value!r} is no date")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _moment(value: object) -> int | None:
    return None if value is None else _whole(value)
