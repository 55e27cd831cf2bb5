"""Two live tables: equal ones pass whatever their order, planted differences are counted exactly."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.harness.oracle import raw_streams
from certification_pipeline.harness.oracle.oracle import Oracle, SinkView
from certification_pipeline.harness.workload.tables import build_workload

from .sinks import SYSTEMS, Sinks

pytestmark = pytest.mark.integration

WORKLOAD = build_workload("standard", 600, 11)
SPEC = WORKLOAD.spec
ROWS = pa.Table.from_batches(list(WORKLOAD.initial()))
_numbers = itertools.count()


@pytest.fixture
def source(all_sinks: Sinks) -> SinkView:
    return all_sinks.put("postgres", SPEC, ROWS)


def altered(source: SinkView, *statements: str) -> SinkView:
    """A copy of the source in PostgreSQL with some statements run on it; ``{t}`` is the copy."""
    copy = replace(source, name=f"copy_{next(_numbers)}")
    name = sql.Identifier(copy.namespace, copy.name)
    with psycopg.connect(source.dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE TABLE {} AS SELECT * FROM {} ORDER BY md5(id::text)").format(
                name, sql.Identifier(source.namespace, source.name)
            )
        )
        for statement in statements:
            connection.execute(sql.SQL(statement).format(t=name))  # type: ignore[arg-type]
    return copy


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_copy_in_any_system_passes(system: str, source: SinkView, all_sinks: Sinks, oracle: Oracle) -> None:
    shuffled = ROWS.take(pa.array(sorted(range(600), key=lambda i: i * 7919 % 600)))
    sink = all_sinks.put(system, SPEC, shuffled)
    judgement = oracle.judge_copy("copy", source, sink, SPEC)
    assert judgement.remark is None
    assert judgement.outcome is Outcome.PASSED
    assert judgement.expected.rows == 600
    empty = all_sinks.put(system, SPEC, ROWS.slice(0, 0))
    assert oracle.judge_copy("copy", source, empty, SPEC).anomalies == {Anomaly.LOST: 600}


EDITS = [
    ("DELETE FROM {t} WHERE id <= 3", {Anomaly.LOST: 3}, set()),
    ("INSERT INTO {t} SELECT * FROM {t} WHERE id IN (5, 599)", {Anomaly.DUPLICATE: 2}, set()),
    ("INSERT INTO {t} (id, note) VALUES (100001, 'x'), (NULL, 'y')", {Anomaly.PHANTOM: 2}, set()),
    (
        "UPDATE {t} SET note = '' WHERE id IN (SELECT id FROM {t} WHERE note IS NULL LIMIT 4)",
        {Anomaly.CORRUPT: 4},
        {"note"},
    ),
    ("UPDATE {t} SET amount = amount + 0.0000000001 WHERE id IN (61, 62)", {Anomaly.CORRUPT: 2}, {"amount"}),
    ("UPDATE {t} SET payload = payload || '\\x00' WHERE id = 61", {Anomaly.CORRUPT: 1}, {"payload"}),
    ("UPDATE {t} SET id = id + 1000000 WHERE id = 1", {Anomaly.LOST: 1, Anomaly.PHANTOM: 1}, set()),
]


@pytest.mark.parametrize("most_open_lines", [200_000, 0])
@pytest.mark.parametrize(("edit", "anomalies", "columns"), EDITS)
def test_planted_differences_are_counted_both_ways(  # noqa: PLR0917
    edit: str,
    anomalies: dict[Anomaly, int],
    columns: set[str],
    most_open_lines: int,
    source: SinkView,
    oracle: Oracle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Along raw streams, and when those give up and the tables are read whole."""
    monkeypatch.setattr(raw_streams, "_MOST_OPEN_LINES", most_open_lines)
    monkeypatch.setattr("certification_pipeline.harness.oracle.readers.postgres._BLOCK_ROWS", 64)
    monkeypatch.setattr(raw_streams, "_BLOCK_ROWS", 64)
    judgement = oracle.judge_copy("copy", source, altered(source, edit), SPEC)
    assert judgement.anomalies == anomalies
    assert set(judgement.columns) == columns
    assert judgement.outcome is Outcome.FAILED
    assert judgement.expected != judgement.actual
    assert judgement.expected.rows == 600


class Lines:
    """A table that is nothing but its COPY lines."""

    def __init__(self, lines: list[bytes], block: int) -> None:
        self._lines, self._block = lines, block

    def lines(self, columns: list[str], order_by: list[str]) -> Iterator[list[bytes]]:
        for start in range(0, len(self._lines), self._block):
            yield self._lines[start : start + self._block]


lines = st.lists(st.integers(0, 60), max_size=80).map(lambda keys: [b"%d\n" % key for key in sorted(keys)])


@settings(max_examples=300, deadline=None)
@given(
    ours=lines,
    theirs=lines,
    blocks=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    at_hand=st.integers(1, 9),
)
def test_streams_leave_exactly_the_multiset_difference(
    ours: list[bytes], theirs: list[bytes], blocks: tuple[int, int], at_hand: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_streams, "_BLOCK_ROWS", at_hand)
        sides = [Lines(rows, block) for rows, block in zip((ours, theirs), blocks, strict=True)]
        found = raw_streams.compare_streams(*sides, (["id"], ["id"]), ["id"])  # type: ignore[arg-type]
    assert Counter(found.only_source) == Counter(ours) - Counter(theirs)
    assert Counter(found.only_sink) == Counter(theirs) - Counter(ours)
    assert (found.source.rows, found.sink.rows) == (len(ours), len(theirs))
    assert (found.source == found.sink) is (ours == theirs)


def test_values_that_only_look_different_pass(source: SinkView, oracle: Oracle) -> None:
    """A numeric without scale, and a json with other white space: same values, other bytes."""
    copy = altered(
        source,
        "ALTER TABLE {t} ALTER amount TYPE numeric USING trim_scale(amount)",
        "ALTER TABLE {t} ALTER document TYPE json USING jsonb_pretty(document)::json",
    )
    judgement = oracle.judge_copy("copy", source, copy, SPEC)
    assert judgement.anomalies == {}
    assert judgement.outcome is Outcome.PASSED


def test_wrong_types_and_columns_are_red(source: SinkView, oracle: Oracle) -> None:
    as_text = altered(source, "ALTER TABLE {t} ALTER amount TYPE text")
    assert oracle.judge_copy("copy", source, as_text, SPEC).columns == {"amount": 600}
    without = altered(source, "ALTER TABLE {t} DROP note")
    assert oracle.judge_copy("copy", source, without, SPEC).columns == {"note": 600}
    more = altered(source, "ALTER TABLE {t} ADD surprise int")
    assert oracle.judge_copy("copy", source, more, SPEC).outcome is Outcome.FAILED
    assert oracle.judge_copy("copy", source, more, SPEC, ("surprise",)).outcome is Outcome.PASSED


def test_a_side_that_cannot_be_read_is_red(source: SinkView, oracle: Oracle) -> None:
    gone = replace(source, name="gone")
    for pair in ((source, gone), (gone, source)):
        judgement = oracle.judge_copy("copy", *pair, SPEC)
        assert judgement.outcome is Outcome.FAILED
        assert judgement.remark == "postgres table public.gone: the table does not exist"
