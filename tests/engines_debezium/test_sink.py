"""The consumer on a real PostgreSQL: what a batch comes to, applied once and applied again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.engines_debezium.modules import events, kit, sink

Row = dict[str, Any]


def column(name: str, kind: str = "text") -> Any:
    return events.Column(name, kind, lambda value: value)


ID, NOTE = column("id", "bigint"), column("note")


def change(op: str, row: Row | None, *missing: str, columns: tuple[Any, ...] = (ID, NOTE)) -> Any:
    return events.Change(op, ("s", "t"), columns, row, missing)


def net(*changes: Any) -> Any:
    made = sink.Net(("id",))
    for one in changes:
        made.add(one)
    return made


def test_the_last_change_of_a_key_counts() -> None:
    made = net(
        change("c", {"id": 1, "note": "a"}),
        change("u", {"id": 1, "note": "b"}),
        change("c", {"id": 2, "note": "c"}),
        change("d", {"id": 2, "note": None}),
        change("d", {"id": 3, "note": None}),
        change("c", {"id": 3, "note": "again"}),
    )
    assert made.rows == {(1,): {"id": 1, "note": "b"}, (2,): None, (3,): {"id": 3, "note": "again"}}


def test_a_value_the_log_left_out_is_taken_from_the_batch_or_left_to_the_table() -> None:
    made = net(
        change("c", {"id": 1, "note": "long"}),
        change("u", {"id": 1}, "note"),
        change("u", {"id": 2}, "note"),
    )
    assert made.rows == {(1,): {"id": 1, "note": "long"}}
    assert made.partial == {(2,): {"id": 2}}
    made.add(change("d", {"id": 2, "note": None}))
    assert (made.rows[(2,)], made.partial) == (None, {})


def test_a_created_row_must_be_whole() -> None:
    with pytest.raises(kit.Failure, match="key changed"):
        net(change("c", {"id": 1}, "note"))


def test_a_truncate_forgets_what_came_before() -> None:
    made = net(
        change("c", {"id": 1, "note": "a"}),
        events.Change("t", ("s", "t")),
        change("c", {"id": 2, "note": "b"}),
    )
    assert (made.truncated, list(made.rows)) == (True, [(2,)])


def test_a_key_that_the_log_does_not_have_is_refused() -> None:
    with pytest.raises(kit.Failure, match="replica identity"):
        net(change("d", {"note": None}, columns=(NOTE,)))


@pytest.fixture
def target(sink_dsn: str) -> Iterator[Any]:
    made = sink.PostgresSink(sink_dsn, "Odd ns", 'odd "t"', ["id"])
    yield made
    made.close()
    with psycopg.connect(sink_dsn, autocommit=True) as connection:
        connection.execute('DROP SCHEMA IF EXISTS "Odd ns" CASCADE')


def read(dsn: str, columns: str = "id, note") -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        query = f'SELECT {columns} FROM "Odd ns"."odd ""t""" ORDER BY id'
        return connection.execute(query.encode()).fetchall()


def snapshot(target: Any, *rows: Row) -> None:
    with target.transaction():
        target.begin_snapshot()
        if rows:
            target.stage([change("r", row) for row in rows])
        target.publish([ID, NOTE])


@pytest.mark.integration
def test_a_snapshot_takes_the_place_of_the_table(target: Any, sink_dsn: str) -> None:
    snapshot(target, {"id": 1, "note": "a"}, {"id": 2, "note": "\\N\t\n"})
    assert read(sink_dsn) == [(1, "a"), (2, "\\N\t\n")]
    snapshot(target, {"id": 2, "note": "b"})
    assert read(sink_dsn) == [(2, "b")]
    snapshot(target)
    assert read(sink_dsn) == []


@pytest.mark.integration
def test_a_snapshot_that_ends_early_leaves_the_table_alone(target: Any, sink_dsn: str) -> None:
    snapshot(target, {"id": 1, "note": "a"})
    with target.transaction():
        target.begin_snapshot()
        target.stage([change("r", {"id": 9, "note": "half"})])
    assert read(sink_dsn) == [(1, "a")]
    snapshot(target, {"id": 2, "note": "b"})
    assert read(sink_dsn) == [(2, "b")]


@pytest.mark.integration
def test_two_snapshots_of_one_table_do_not_share_a_stage(target: Any, sink_dsn: str) -> None:
    with target.transaction():
        target.begin_snapshot()
    rival = sink.PostgresSink(sink_dsn, "Odd ns", 'odd "t"', ["id"])
    try:
        with pytest.raises(kit.Failure, match="another load") as refused:
            rival.begin_snapshot()
        assert refused.value.category == "conflict"
        target.close()
        _await_stage(rival)
        snapshot(rival, {"id": 1, "note": "a"})
    finally:
        rival.close()
    assert read(sink_dsn) == [(1, "a")]


def _await_stage(rival: Any) -> None:
    """Until the server, too, has seen that its session ended: it lets go of the stage only then."""
    key = "hashtextextended(%(stage)s, 0)"
    rival._connection.execute(
        f"SELECT pg_advisory_lock({key}), pg_advisory_unlock({key})", {"stage": rival._stage.as_string(None)}
    )


@pytest.mark.integration
def test_changes_may_be_applied_twice(target: Any, sink_dsn: str) -> None:
    snapshot(target, {"id": 1, "note": "a"}, {"id": 2, "note": "long"}, {"id": 3, "note": "c"})
    changes = net(
        change("u", {"id": 1, "note": None}),
        change("u", {"id": 2}, "note"),
        change("d", {"id": 3, "note": None}),
        change("c", {"id": 4, "note": "d"}),
    )
    for _ in range(2):
        with target.transaction():
            target.apply(changes)
        assert read(sink_dsn) == [(1, None), (2, "long"), (4, "d")]
        assert target.count() == 3


@pytest.mark.integration
def test_a_batch_that_fails_leaves_nothing(target: Any, sink_dsn: str) -> None:
    snapshot(target, {"id": 1, "note": "a"})
    whole, partial = {"id": 2, "note": "b", "n": 1}, {"id": 9, "n": 2}
    wider = (ID, NOTE, column("n", "integer"))
    changes = net(change("c", whole, columns=wider), change("u", partial, "note", columns=wider))
    with pytest.raises(kit.Failure, match="does not have"), target.transaction():
        target.apply(changes)
    assert read(sink_dsn) == [(1, "a")]


@pytest.mark.integration
def test_columns_come_widen_and_go(target: Any, sink_dsn: str) -> None:
    snapshot(target, {"id": 1, "note": "a"}, {"id": 2, "note": "b"})
    small, wide = column("n", "integer"), column("n", "bigint")
    with target.transaction():
        target.apply(net(change("u", {"id": 1, "note": "a", "n": 7}, columns=(ID, NOTE, small))))
    with target.transaction():  # note is gone, n is wider
        target.apply(net(change("u", {"id": 1, "n": 2**40}, columns=(ID, wide))))
    assert read(sink_dsn, "id, note, n") == [(1, None, 2**40), (2, "b", None)]
    with target.transaction():  # narrower again: the table stays wide
        target.apply(net(change("u", {"id": 2, "n": 5}, columns=(ID, small))))
    with pytest.raises(kit.Failure, match="bigint here and text"), target.transaction():
        target.apply(net(change("u", {"id": 2, "n": "x"}, columns=(ID, column("n", "text")))))
    assert read(sink_dsn, "id, note, n") == [(1, None, 2**40), (2, None, 5)]


@pytest.mark.integration
def test_a_truncate_empties_the_table(target: Any, sink_dsn: str) -> None:
    snapshot(target, {"id": 1, "note": "a"})
    with target.transaction():
        target.apply(net(events.Change("t", ("s", "t")), change("c", {"id": 2, "note": "b"})))
    assert read(sink_dsn) == [(2, "b")]
    with target.transaction():
        target.apply(net(events.Change("t", ("s", "t"))))
    assert read(sink_dsn) == []
