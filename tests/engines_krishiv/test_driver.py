"""Which calls stand for which load, what is refused, and what a failure is called."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import FailureCategory, Support

from .conftest import Krishiv


def job(jobs: ModuleType, request: dict[str, Any]) -> Any:
    return jobs.Job(request, lambda event: None)


@pytest.mark.parametrize(
    ("load", "call"),
    [
        (("parquet", "full_refresh"), ("write_parquet", "t/part-0.parquet")),
        (("parquet", "incremental_append"), ("write_file", "t", "parquet", "append")),
        (("delta", "full_refresh"), ("write_delta", "t", "overwrite")),
        (("delta", "incremental_append"), ("write_delta", "t", "append")),
        (("hudi", "incremental_append"), ("write_hudi_append", "t")),
        (("hudi", "incremental_merge"), ("write_hudi_upsert", "t", "id")),
    ],
)
def test_each_load_is_one_documented_write(
    jobs: ModuleType, krishiv: Krishiv, request_of: Any, load: tuple[str, str], call: tuple[str, ...]
) -> None:
    request = request_of(*load)
    claims = jobs.run(job(jobs, request))
    name, path, *rest = krishiv.asked[-1]
    assert (name, Path(path).relative_to(Path(request["sink"]["dsn"]) / "ns").as_posix(), *rest) == call
    assert set(claims) == ({"inserted_rows", "updated_rows", "final_rows"} if load[0] == "hudi" else set())


def test_new_rows_are_those_at_the_mark_that_the_sink_does_not_hold(
    jobs: ModuleType, krishiv: Krishiv, request_of: Any, tmp_path: Path
) -> None:
    jobs.run(job(jobs, request_of("parquet", "incremental_append")))
    (first,) = [asked[1] for asked in krishiv.asked if asked[0] == "sql"]
    assert first == 'SELECT * FROM source_rows WHERE "up""dated" IS NOT NULL'
    krishiv.asked.clear()
    (tmp_path / "out" / "ns" / "t").mkdir(parents=True)
    jobs.run(job(jobs, request_of("parquet", "incremental_append")))
    (later,) = [asked[1] for asked in krishiv.asked if asked[0] == "sql"]
    assert 'ON s."id" = k."id" AND s."up""dated" = k."up""dated"' in later
    assert 's."up""dated" >= (SELECT max("up""dated") FROM sink_rows)' in later
    # A sink without rows has no mark: everything is new.
    krishiv.asked.clear()
    krishiv.rows = 0
    jobs.run(job(jobs, request_of("parquet", "incremental_append")))
    assert [asked[1] for asked in krishiv.asked if asked[0] == "sql"] == [first]


@pytest.mark.parametrize(
    ("change", "category"),
    [
        ({"strategy": "scd2"}, "unsupported"),
        ({"source": {"system": "postgres", "dsn": "x", "namespace": "n", "name": "t"}}, "unsupported"),
        ({"options": {"lookback_seconds": 5}}, "unsupported"),
        ({"options": {"replay": {"kind": "resume"}}}, "unsupported"),
        ({"cursor": None, "strategy": "incremental_append"}, "configuration"),
        ({"source": {"system": "parquet", "dsn": "/no", "namespace": "n", "name": "t"}}, "not_found"),
    ],
)
def test_what_it_does_not_do_is_refused(
    jobs: ModuleType, request_of: Any, change: dict[str, Any], category: str
) -> None:
    with pytest.raises(jobs.Failure) as caught:
        jobs.run(job(jobs, request_of("parquet", "full_refresh") | change))
    assert caught.value.category == category


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Delta error: schema mismatch: expected 3 columns", "schema"),
        ("connector sink 'delta' is not yet supported by the SQL job compiler", "unsupported"),
        ("requires the 'kafka' feature", "unsupported"),
        ("File path 'x' does not match the expected extension '.parquet'", "not_found"),
        ("No space left on device (os error 28)", "resource"),
        ("table already exists", "conflict"),
        ("something went wrong", "internal"),
    ],
)
def test_failures_are_named(failures: ModuleType, text: str, category: str) -> None:
    assert failures.category(text) == category
    assert category in set(FailureCategory)


def test_a_message_does_not_tell_where_the_run_keeps_its_files(
    jobs: ModuleType, krishiv: Krishiv, request_of: Any, tmp_path: Path
) -> None:
    krishiv.raises = RuntimeError(f"cannot read {tmp_path / 'in'}/ns/t: schema mismatch")
    with pytest.raises(jobs.Failure) as caught:
        jobs.run(job(jobs, request_of("parquet", "full_refresh")))
    assert caught.value.category == "schema"
    assert str(tmp_path) not in caught.value.message
    assert "<parquet>/ns/t" in caught.value.message


def test_the_driver_runs_what_is_claimed_and_nothing_else(jobs: ModuleType) -> None:
    """A claim that the driver cannot run would be red for our sake; one it can run must be claimed."""
    testable = {Support.FULL, Support.PARTIAL}
    claimed = {
        (route.source, route.sink, strategy.value)
        for route in load_catalog().engines["krishiv"].routes
        for strategy, claim in route.strategies.items()
        if claim.support in testable
    }
    assert claimed == {("parquet", sink, strategy) for sink, strategy in jobs.ROUTES}


def test_what_only_durable_profiles_promise_is_not_claimed_of_the_wheel() -> None:
    durable = load_catalog().engines["krishiv_durable"]
    supports = {claim.support for route in durable.routes for claim in route.strategies.values()}
    assert supports == {Support.NOT_IN_ARTIFACT, Support.UNSUPPORTED}
