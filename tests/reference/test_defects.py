"""Each planted defect changes what a judge can see; without it the same steps are right."""

from __future__ import annotations

import time
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import Error
from certification_pipeline.reference.defects import VARIABLE, Defect, planted
from certification_pipeline.reference.planted.effort import burn
from certification_pipeline.reference.server import describe
from tests.reference.conftest import Pipeline, only

CREATE = (
    "CREATE TABLE {t} (id bigint PRIMARY KEY, n numeric(38,10), updated_at timestamptz, business_date date)"
)
ROWS = """INSERT INTO {t} SELECT g, g + 0.123456789, '2024-01-01'::timestamptz + g * interval '1 hour',
    '2024-01-01' FROM generate_series(1, 40) g"""
SLICE: dict[str, Any] = {
    "partition_column": "business_date",
    "partition_from": "2024-01-01",
    "partition_to": "2024-01-02",
}


def seeded(pipeline: Pipeline) -> Pipeline:
    pipeline.sql(CREATE, ROWS)
    return pipeline


def keys(pipeline: Pipeline) -> list[int]:
    return [row[0] for row in pipeline.rows("id", "1")]


@pytest.mark.integration
@only("postgres", "parquet")
@pytest.mark.parametrize("artifact", ["auto", "memory", "object_storage"])
@pytest.mark.parametrize("defect", [None, Defect.DROP_LAST_BATCH])
def test_drop_last_batch(pipeline: Pipeline, defect: Defect | None, artifact: str) -> None:
    seeded(pipeline).load(Strategy.FULL_REFRESH, defect, artifact=artifact)
    assert len(keys(pipeline)) == (40 if defect is None else 36)


@pytest.mark.integration
@pytest.mark.parametrize(
    "strategy", [Strategy.INCREMENTAL_MERGE, Strategy.INCREMENTAL_APPEND, Strategy.XMIN, Strategy.CDC]
)
@pytest.mark.parametrize("defect", [None, Defect.ADVANCE_STATE_BEFORE_LOAD])
def test_advance_state_before_load(to_postgres: Pipeline, defect: Defect | None, strategy: Strategy) -> None:
    seeded(to_postgres).load(strategy, defect)
    assert len(keys(to_postgres)) == 40, "the first load is right"
    to_postgres.sql(
        "INSERT INTO {t} VALUES (50, 1, '2024-02-01 01:00+00', NULL)",
        "INSERT INTO {t} VALUES (51, 1, '2024-02-01 02:00+00', NULL)",
    )
    to_postgres.load(strategy, defect)
    assert (50 in keys(to_postgres)) is (defect is None)


@pytest.mark.integration
@only("postgres", "sqlite")
@pytest.mark.parametrize("strategy", [Strategy.FULL_REFRESH, Strategy.CDC])
@pytest.mark.parametrize("defect", [None, Defect.LOSE_DECIMAL_SCALE])
def test_lose_decimal_scale(pipeline: Pipeline, defect: Defect | None, strategy: Strategy) -> None:
    seeded(pipeline).load(strategy, defect)
    pipeline.sql("INSERT INTO {t} VALUES (0, -7.987654321)")
    pipeline.load(strategy, defect)
    found = [str(row[0]) for row in pipeline.rows("n, id", "2")][:2]
    assert found == (
        ["-7.9876543210", "1.1234567890"] if defect is None else ["-7.9800000000", "1.1200000000"]
    )


@pytest.mark.integration
@pytest.mark.parametrize("strategy", [Strategy.SNAPSHOT_DIFF, Strategy.CDC, Strategy.SCD2])
@pytest.mark.parametrize("defect", [None, Defect.IGNORE_DELETES])
def test_ignore_deletes(to_postgres: Pipeline, defect: Defect | None, strategy: Strategy) -> None:
    seeded(to_postgres).load(strategy, defect)
    to_postgres.sql("DELETE FROM {t} WHERE id = 7")
    to_postgres.load(strategy, defect)
    rows = to_postgres.rows("id, valid_to" if strategy is Strategy.SCD2 else "id, NULL", "1")
    assert ((7, None) in rows) is (defect is not None)


@pytest.mark.integration
@pytest.mark.parametrize(("strategy", "options"), [(Strategy.FULL_REFRESH, {}), (Strategy.REPLACE, SLICE)])
@pytest.mark.parametrize("defect", [None, Defect.TRUNCATE_BEFORE_STAGE])
def test_truncate_before_stage(
    pipeline: Pipeline, defect: Defect | None, strategy: Strategy, options: dict[str, Any]
) -> None:
    seeded(pipeline).load(strategy, defect, **options)
    assert len(keys(pipeline)) == 40, "a load that ends well shows nothing"
    pipeline.sql("ALTER TABLE {t} RENAME TO {t}_away".replace("{t}_away", f"{pipeline.name}_away"))
    assert isinstance(pipeline.attempt(strategy, defect, **options), Error)
    assert len(keys(pipeline)) == (40 if defect is None else 0)


@pytest.mark.integration
@pytest.mark.parametrize("defect", [None, Defect.COUNT_EXTRACTED_AS_LOADED])
def test_count_extracted_as_loaded(to_postgres: Pipeline, defect: Defect | None) -> None:
    seeded(to_postgres).load(Strategy.INCREMENTAL_MERGE, defect)
    record = to_postgres.load(Strategy.INCREMENTAL_MERGE, defect)
    assert record.extracted_rows == 1
    assert record.loaded_rows == (0 if defect is None else 1)


@pytest.mark.integration
@pytest.mark.parametrize("defect", [None, Defect.SLOW_LOAD])
def test_slow_load(to_postgres: Pipeline, defect: Defect | None, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded(to_postgres)
    burnt: list[float] = []
    monkeypatch.setattr("certification_pipeline.reference.engine.burn", burnt.append)
    record = to_postgres.load(Strategy.FULL_REFRESH, defect)
    assert len(keys(to_postgres)) == 40, "the rows are right"
    phases = sum(seconds for name, seconds in record.timings_seconds.items() if name != "total")
    assert bool(burnt) is (defect is not None)
    assert all(seconds >= phases for seconds in burnt), "for as long again as it worked"


def test_burning_is_cpu_time() -> None:
    before = time.process_time()
    burn(0.01)
    assert time.process_time() - before >= 0.01


def test_the_engine_says_what_is_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe(planted()).details == {"planted_defect": None}
    for defect in Defect:
        monkeypatch.setenv(VARIABLE, defect.value)
        assert describe(planted()).details == {"planted_defect": defect.value}
    monkeypatch.setenv(VARIABLE, "no_such")
    with pytest.raises(ValueError, match="choose one of drop_last_batch"):
        planted()
