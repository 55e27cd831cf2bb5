"""A release sized, narrowed and named in the launchpad: what is refused, and what the graph does then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.suite import CertificationSuite, ItemName
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.publish import publish
from certification_pipeline.orchestration.launch import Launch
from certification_pipeline.orchestration.names import (
    RELEASE_TAG,
    family_key,
    publish_key,
    report_key,
    route_key,
    summary_key,
)
from certification_pipeline.orchestration.parts import LEFT_OUT
from tests.orchestration.conftest import FAMILIES, House, failures, small_catalog

pytestmark = pytest.mark.integration

NARROW = {
    "engines": ["reference"],
    "routes": ["*_to_duckdb"],
    "strategies": ["full_*"],
    "scenarios": ["strategy.*"],
    "rows": 120,
    "release_id": "narrow",
    "require_evidence": True,
}


def two_engines() -> Catalog:
    """The small catalogue with the reference engine's other commit beside it."""
    small = small_catalog()
    both = {**small.engines, "reference_two_phase": small.engines["reference"]}
    both = {name: engine.model_copy(update={"id": name}) for name, engine in both.items()}
    profile = small.profiles["embedded"].model_copy(update={"engines": tuple(both)})
    return small.model_copy(update={"engines": both, "profiles": {"embedded": profile}})


@pytest.fixture(scope="module")
def pair(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two engines in one code location; ``house`` for the families of this package."""
    made = House(tmp_path_factory.mktemp("pair"), two_engines())
    yield made
    made.instance.dispose()


@pytest.fixture(scope="module")
def narrow(pair: House) -> dg.ExecuteInProcessResult:
    """Everything materialized, with a launchpad that asks for one strategy of one route of one engine."""
    return pair.job("full_certification", config=NARROW)


def config(house: House, given: Mapping[str, object]) -> dict[str, Any]:
    return {"ops": {"plan": {"config": dict(given)}}}


# --- what is shown and refused ---------------------------------------------------------------------------


def test_the_launchpad_shows_what_would_run(house: House) -> None:
    job = house.defs.resolve_job_def("full_certification")
    offered = dg.validate_run_config(job, {})["ops"]["plan"]["config"]
    profile = house.catalog.profiles["embedded"]
    assert {name: offered[name] for name in ("profile", "rows", "seed", "engines", "release_id")} == {
        "profile": "embedded",
        "rows": profile.rows,
        "seed": 1,
        "engines": [],
        "release_id": None,
    }
    assert {*offered} == {*Launch.model_fields}
    assert all(field.description for field in Launch.model_fields.values())


def test_it_shows_what_the_code_location_was_started_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {"ROWS": "90", "SEED": "5", "REQUIRE_LINEAGE": "1", "ROUTES": "postgres_to_*"}.items():
        monkeypatch.setenv(f"CERTIFY_{name}", value)
    job = House(tmp_path).defs.resolve_job_def("full_certification")
    offered = dg.validate_run_config(job, {})["ops"]["plan"]["config"]
    assert (offered["rows"], offered["seed"], offered["routes"]) == (90, 5, ["postgres_to_*"])
    assert offered["require_lineage"]
    assert not offered["require_benchmark"]


@pytest.mark.parametrize(
    "wrong",
    [{"row": 100}, {"rows": "many"}, {"engines": "reference"}, {"require_evidence": "yes"}, {"seed": 1.5}],
)
def test_what_is_no_such_field_or_type_cannot_be_launched(house: House, wrong: dict[str, object]) -> None:
    job = house.defs.resolve_job_def("full_certification")
    assert dg.validate_run_config(job, config(house, NARROW))
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, config(house, wrong))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"profile": "local"}, "start another code location with CERTIFY_PROFILE=local"),
        ({"engines": ["referense"]}, "engine 'referense' matches nothing — did you mean 'reference'"),
        ({"engines": ["dlt"]}, "engine 'dlt' matches nothing — there are: reference"),
        ({"routes": ["postgres_to_duckbd"]}, "did you mean 'postgres_to_duckdb'"),
        ({"strategies": ["full_refesh"]}, "did you mean 'full_refresh'"),
        ({"scenarios": ["batch.emtpy"]}, "did you mean 'batch.empty'"),
        ({"families": ["benchmrk"]}, "did you mean 'benchmark'"),
        ({"rows": 5}, "rows: Input should be greater than or equal to 60 (got 5)"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"release_id": "../up"}, "release_id: String should match"),
    ],
)
def test_what_matches_nothing_is_told_before_anything_is_written(
    house: House, wrong: dict[str, object], told: str
) -> None:
    before = house.store.releases()
    said = failures(house.job("full_certification", config={"release_id": "wrong", **wrong}))
    assert set(said) == {"plan"}
    assert told in said["plan"]
    assert not said["plan"].startswith("--")
    assert house.store.releases() == before


def test_a_tag_and_a_launchpad_that_name_two_releases_are_refused(house: House) -> None:
    said = failures(house.job("full_certification", "tagged", {"release_id": "launched"}))
    assert RELEASE_TAG in said["plan"]


# --- a release of a part ---------------------------------------------------------------------------------


def test_the_plan_carries_what_was_asked_for(pair: House, narrow: dg.ExecuteInProcessResult) -> None:
    assert narrow.success, [failures(narrow), pair.blockers("narrow")]
    assert pair.store.engines("narrow") == ("reference",)
    directory = pair.directory("narrow")
    plan = directory.read(directory.plan_path, CertificationPlan)
    assert {cell.key.cell_id for cell in plan.cells} == set(pair.cells("narrow"))
    assert {(c.key.route_id, c.key.strategy.value) for c in plan.cells} == {
        ("postgres_to_duckdb", "full_refresh")
    }
    assert plan.required == (ItemName.EVIDENCE_BUNDLE,)
    suite = directory.read(directory.suite_path, CertificationSuite)
    assert {i.name for i in suite.items if i.required} >= {ItemName.EVIDENCE_BUNDLE}


def test_an_engine_left_out_is_skipped_and_says_so(pair: House, narrow: dg.ExecuteInProcessResult) -> None:
    made = {e.asset_key for e in narrow.get_asset_materialization_events() if e.asset_key}
    other = {key for key in made if "reference_two_phase" in key.path}
    assert not other
    told = {
        e.asset_key.to_user_string(): str(e.asset_observation_data.asset_observation.metadata[LEFT_OUT].value)
        for e in narrow.get_asset_observation_events()
        if e.asset_key
    }
    assert (
        "is about reference, not about reference_two_phase"
        in told["matrix/reference_two_phase/postgres/sqlite"]
    )
    assert not [e for e in narrow.get_asset_check_evaluations() if "reference_two_phase" in e.asset_key.path]


def test_what_a_plan_leaves_out_is_amber_and_the_verdict_is_made(
    pair: House, narrow: dg.ExecuteInProcessResult
) -> None:
    notes = {
        e.asset_key: str(e.materialization.metadata[LEFT_OUT].value)
        for e in narrow.get_asset_materialization_events()
        if e.asset_key and LEFT_OUT in e.materialization.metadata
    }
    assert set(notes) == {
        route_key("reference", "postgres", "sqlite"),
        *(family_key("reference", family) for family in FAMILIES),
    }
    assert all("routes *_to_duckdb" in note for note in notes.values())
    checked = {(e.asset_key, e.check_name): e for e in narrow.get_asset_check_evaluations()}
    route = route_key("reference", "postgres", "duckdb")
    assert checked[route, "full_refresh"].passed
    amber = [e for key, e in checked.items() if key[0] in notes] + [checked[route, "snapshot_diff"]]
    assert len(amber) > len(notes)
    for one in amber:  # of a run that ends red Dagster would call it failed
        assert (one.passed, one.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert "routes *_to_duckdb" in str(one.description)
    directory = pair.directory("narrow")
    assert directory.read(directory.summary_path, ReleaseSummary).outcome is Outcome.PASSED


def test_a_green_release_of_a_part_is_not_published(pair: House, narrow: dg.ExecuteInProcessResult) -> None:
    assert not (pair.store.root / "published").exists()
    told = [
        str(e.asset_observation_data.asset_observation.metadata[LEFT_OUT].value)
        for e in narrow.get_asset_observation_events()
        if e.asset_key == publish_key("reference")
    ]
    assert ["Not published" in one for one in told] == [True]
    (message,) = failures(pair.only(publish_key("reference"), release="narrow")).values()
    assert "a release of a part is not enough to go out on" in message
    with pytest.raises(EvidenceError, match="all cells but those of"):
        publish(pair.store, pair.directory("narrow"), "by-hand")


def test_who_clicks_on_a_part_that_was_left_out_is_told(
    pair: House, narrow: dg.ExecuteInProcessResult
) -> None:
    assert narrow.success
    for asset, told in {
        route_key(
            "reference", "postgres", "sqlite"
        ): "leaves out postgres to sqlite: it was narrowed to routes *_to_duckdb",
        route_key("reference_two_phase", "postgres", "duckdb"): "not about reference_two_phase",
        summary_key("reference_two_phase"): "not about reference_two_phase",
    }.items():
        (message,) = failures(pair.only(asset, release="narrow")).values()
        assert told in message
        assert "materialize `plan`" in message


@pytest.mark.nightly
def test_the_verdict_job_decides_about_the_engines_that_are_there(
    pair: House, narrow: dg.ExecuteInProcessResult
) -> None:
    assert narrow.success
    again = pair.job("verdict", "narrow")
    assert again.success, failures(again)
    made = {e.asset_key for e in again.get_asset_materialization_events()}
    assert summary_key("reference") in made
    assert report_key("reference_two_phase") not in made


@pytest.mark.nightly
def test_execute_on_a_verdicts_check_is_that_check_alone(
    pair: House, narrow: dg.ExecuteInProcessResult
) -> None:
    assert narrow.success
    check = dg.AssetCheckKey(summary_key("reference"), "publishable")
    again = pair.only(checks=(check,), release="narrow")
    assert again.success, failures(again)
    assert not again.get_asset_materialization_events()
    assert [(e.check_name, e.passed) for e in again.get_asset_check_evaluations()] == [("publishable", True)]
