"""xmin: no row version is missed, whatever was in flight, and however ids wrap."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sources.postgres import written_since
from certification_pipeline.reference.sources.snapshot import Snapshot
from tests.reference.conftest import Pipeline


@pytest.mark.integration
@pytest.mark.parametrize("savepoint", [False, True])
def test_a_transaction_in_flight_is_caught_next_time(to_postgres: Pipeline, savepoint: bool) -> None:
    """With a savepoint the rows carry a subtransaction's id, which no snapshot lists."""
    pipeline = to_postgres
    pipeline.sql(
        "CREATE TABLE {t} (id bigint PRIMARY KEY, updated_at timestamptz)", "INSERT INTO {t} VALUES (1)"
    )
    with psycopg.connect(pipeline.databases.source) as slow:
        slow.execute(f"INSERT INTO {pipeline.name} VALUES (10)".encode())
        if savepoint:
            slow.execute("SAVEPOINT s")
        slow.execute(f"INSERT INTO {pipeline.name} VALUES (11)".encode())
        # Later transactions commit first, so that a plain high-water mark of ids would pass the slow one.
        pipeline.sql("INSERT INTO {t} VALUES (2)", "INSERT INTO {t} VALUES (3)")
        pipeline.load(Strategy.XMIN)
        assert [row[0] for row in pipeline.rows("id", "1")] == [1, 2, 3]
        slow.commit()
    record = pipeline.load(Strategy.XMIN)
    assert [row[0] for row in pipeline.rows("id", "1")] == [1, 2, 3, 10, 11]
    assert (record.inserted_rows, record.updated_rows) == (2, 0)


@pytest.mark.integration
def test_a_source_that_went_back_in_time_is_not_trusted(to_postgres: Pipeline) -> None:
    to_postgres.sql("CREATE TABLE {t} (id bigint PRIMARY KEY, updated_at timestamptz)")
    to_postgres.load(Strategy.XMIN)
    with psycopg.connect(to_postgres.databases.sink, autocommit=True) as connection:
        connection.execute(
            "UPDATE out._certification_state SET record = regexp_replace(record, "
            '\'"snapshot":"[^"]*"\', \'"snapshot":"99999999:99999999:"\') WHERE kind = \'xmin\''
        )
    answer = to_postgres.attempt(Strategy.XMIN)
    assert isinstance(answer, Error)
    assert answer.category is FailureCategory.STATE


def widened(source_xid: int, now: Snapshot) -> bool:
    """The source's condition, evaluated here."""
    condition = written_since(LAST, now)
    expression = condition.replace("xmin::text::bigint", str(source_xid))
    expression = expression.replace("CASE WHEN", "(").replace(" THEN ", " and ").replace(" ELSE ", " or ")
    return bool(eval(expression.replace(" END)", "))")))


LAST = (5 << 32) + 100


@given(behind=st.integers(0, 2**31 - 1))
def test_every_id_since_the_last_snapshot_is_taken_across_epochs(behind: int) -> None:
    """An id at or above the last horizon is taken, wherever the 32-bit counter stands by now."""
    now = Snapshot(LAST + behind, LAST + behind + 1)
    for true_xid in (LAST, LAST + behind // 2, LAST + behind):
        assert widened(true_xid & 0xFFFFFFFF, now)


def test_an_id_before_the_last_snapshot_is_not_taken() -> None:
    now = Snapshot(LAST + 10, LAST + 11)
    assert not widened((LAST - 1) & 0xFFFFFFFF, now)
    assert not widened((LAST - 200) & 0xFFFFFFFF, now), "of the epoch before"


@given(
    xmin=st.integers(2**33, 2**40),
    span=st.integers(0, 50),
    offset=st.integers(-60, 60),
    data=st.data(),
)
def test_what_a_snapshot_sees(xmin: int, span: int, offset: int, data: Any) -> None:
    running = frozenset(data.draw(st.lists(st.integers(xmin, xmin + span), max_size=5)))
    snapshot = Snapshot(xmin, xmin + span, running)
    xid = xmin + offset
    expected = xid < xmin or (xid < xmin + span and xid not in running)
    assert snapshot.sees(xid & 0xFFFFFFFF) is expected
    assert Snapshot.parse(str(snapshot)) == snapshot


@pytest.mark.parametrize("text", ["", "1", "1:2", "a:b:", "1:2:3:4", "1:2:,", "-1:2:"])
def test_a_corrupt_snapshot_is_a_state_failure(text: str) -> None:
    with pytest.raises(LoadError) as caught:
        Snapshot.parse(text)
    assert caught.value.category is FailureCategory.STATE
