"""Evidence made by one catalogue, verified with another: only what matters and differs cannot be told.

And never does a catalogue that came with the evidence decide anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog import loading
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import catalog_digest
from certification_pipeline.catalog.parts import parts_of, parts_text
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.plan import CertificationPlan, Selection
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import decide
from certification_pipeline.gates.verify.finding import Kind
from certification_pipeline.gates.verify.result import VerifiedEvidence
from certification_pipeline.pipeline.verify import planned_from
from tests.connectors.junit import cases, report
from tests.connectors.writing import write
from tests.verify.builders import CATALOG, SMALL, make_plan, record, verified
from tests.verify.test_demands import ASKED, BOTH, NOW, PAGES

ENGINE = "reference"
Edit = Callable[[dict[str, Any]], None]


def edited(edit: Edit) -> Catalog:
    """The packaged catalogue, changed in one place."""
    value = CATALOG.model_dump(mode="json")
    edit(value)
    return Catalog.model_validate(value)


def made(root: Path, catalog: Catalog = CATALOG, *, lost: int = 0, **selection: Any) -> SubjectDir:
    """A release planned from that catalogue."""
    plan = make_plan("r1", catalog=catalog, **(selection or SMALL))
    directory = record(root, plan, lost, catalog=catalog)
    decide(directory, "run-1")
    return directory


def looked(root: Path, here: Catalog, monkeypatch: pytest.MonkeyPatch, **options: Any) -> VerifiedEvidence:
    """Verified where that catalogue is installed."""
    with monkeypatch.context() as patch:
        patch.setattr(loading, "_packaged", lambda _: here)
        return verified(root, **({"planned": planned_from(here)} | options))


def route(value: dict[str, Any], engine: str = ENGINE) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one
        for one in value["engines"][engine]["routes"]
        if (one["source"], one["sink"]) == ("postgres", "sqlite")
    )
    return found


def by_night(*edits: Edit) -> list[Any]:
    return [pytest.param(edit, marks=pytest.mark.nightly) for edit in edits]


def other_engine(value: dict[str, Any]) -> None:
    value["engines"]["dlt"]["routes"][0]["strategies"]["full_refresh"]["support"] = "Unsupported"


def wording(value: dict[str, Any]) -> None:
    value["engines"][ENGINE]["title"] = "The engine of the house"
    value["scenarios"]["batch.full_refresh"]["remedy"] = "Look closer."
    route(value)["strategies"]["full_refresh"]["note"] = "Said otherwise."


def unclaimed_scenario(value: dict[str, Any]) -> None:
    new = value["scenarios"]["batch.full_refresh"] | {"id": "batch.new", "sources": ["mssql"]}
    value["scenarios"]["batch.new"] = new


def other_profile(value: dict[str, Any]) -> None:
    value["profiles"]["local"]["rows"] = 77


def stricter_policy(value: dict[str, Any]) -> None:
    value["policies"]["dpone"]["freshness_days"] = 20


@pytest.mark.parametrize(
    "edit", [other_engine, *by_night(wording, unclaimed_scenario, other_profile, stricter_policy)]
)
def test_what_it_does_not_rest_on_may_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    here = edited(edit)
    assert catalog_digest(here, ENGINE) != catalog_digest(CATALOG, ENGINE)
    made(tmp_path)
    found = looked(tmp_path, here, monkeypatch)
    (one,) = found.releases
    assert ([str(each) for each in found.findings if each.kind is not Kind.PART], one.outcome) == (
        [],
        Outcome.PASSED,
    )
    assert any("planned from the catalogue sha256:" in note for note in found.notes)


def scenario_version(value: dict[str, Any]) -> None:
    one = value["scenarios"]["batch.full_refresh"]
    one |= {"version": one["version"] + 1}
    one["history"][str(one["version"])] = "More is asked."


def claim(value: dict[str, Any]) -> None:
    route(value)["strategies"]["full_refresh"]["guarantee"] = "at-least-once"


def type_rule(value: dict[str, Any]) -> None:
    value["types"]["sqlite"]["bool"]["loss"] = ["nan_to_null"]


def another_route(value: dict[str, Any]) -> None:
    value["engines"][ENGINE]["routes"] = [
        one for one in value["engines"][ENGINE]["routes"] if one["sink"] != "duckdb"
    ]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (scenario_version, "scenarios/batch.full_refresh: version: says 1, here 2"),
        pytest.param(
            claim,
            f"engines/{ENGINE}: routes.postgres_to_sqlite.strategies.full_refresh.guarantee: says",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            type_rule,
            'types/sqlite: bool.loss: says ["bool_as_integer"], here ["nan_to_null"]',
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            another_route, f"engines/{ENGINE}: routes.postgres_to_duckdb: says", marks=pytest.mark.nightly
        ),
    ],
)
def test_what_it_rests_on_and_differs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit, told: str
) -> None:
    made(tmp_path)
    found = looked(tmp_path, edited(edit), monkeypatch)
    assert (found.verified, found.outcome) == (Outcome.CANT_TELL, Outcome.CANT_TELL)
    assert {one.kind for one in found.findings} <= {Kind.OTHER_JUDGE, Kind.PART}
    assert any(told in one.message for one in found.findings), [str(one) for one in found.findings]


# --- evidence that brings its own rules --------------------------------------------------------------------


def leaves_out_the_red(value: dict[str, Any]) -> None:
    left = {"engine": ENGINE, "scenarios": ["batch.*"], "when_asked": False, "why": "it is red"}
    value["profiles"]["embedded"]["leaves_out"].append(left)


def claims_nothing(value: dict[str, Any]) -> None:
    route(value)["strategies"]["full_refresh"] = {"support": "Unsupported"}


def means_less(value: dict[str, Any]) -> None:
    value["scenarios"]["batch.full_refresh"]["strategies"] = ["incremental_merge"]


def one_defect_less(value: dict[str, Any]) -> None:
    value["types"]["postgres"].pop("bool")


PLANS_LESS = [leaves_out_the_red, *by_night(claims_nothing, means_less)]
LAX = [*PLANS_LESS, *by_night(one_defect_less)]


@pytest.mark.parametrize("edit", LAX)
def test_a_release_by_a_lax_catalogue_of_its_own_is_never_green(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    made(tmp_path, edited(edit))
    found = looked(tmp_path, CATALOG, monkeypatch)
    assert found.outcome is not Outcome.PASSED
    assert found.verified is Outcome.CANT_TELL
    assert any("by another catalogue: " in one.message for one in found.findings)


@pytest.mark.parametrize("edit", PLANS_LESS)
def test_nor_when_it_says_that_its_catalogue_was_the_one_of_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    """The plan of the lax one, resealed over the parts, and then over the digest, of the installed one.

    Not of one whose plan is the same and that only judged otherwise: that is for the signature.
    """
    lax = edited(edit)
    for claimed in ({}, {"catalog_digest": catalog_digest(CATALOG, ENGINE)}):
        root = tmp_path / str(len(claimed))
        parts = sha256(parts_text(parts_of(CATALOG, ENGINE)))
        plan = make_plan("r1", catalog=lax, **SMALL).model_copy(update={"catalog_parts": parts, **claimed})
        plan = plan.model_copy(update={"plan_digest": plan.recompute_digest()})
        decide(record(root, plan, catalog=CATALOG), "run-1")
        found = looked(root, CATALOG, monkeypatch)
        assert found.outcome is not Outcome.PASSED
        assert any("batch.full_refresh" in str(one) for one in found.findings)


def test_parts_that_the_plan_was_not_sealed_from_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data in (parts_text(parts_of(edited(wording), "dlt")), b"{}\n", None):
        root = tmp_path / str(len(data or b""))
        directory = record(root, make_plan("r1", **SMALL))
        path = directory.path / layout.CATALOG
        path.write_bytes(data) if data is not None else path.unlink()
        decide(directory, "run-1")  # chained as it is
        found = looked(root, edited(other_engine), monkeypatch)
        assert found.verified is Outcome.FAILED
        assert any(one.path.endswith(layout.CATALOG) for one in found.findings), (data, found.findings)


@pytest.mark.parametrize(
    "edit", [*by_night(other_engine, wording, other_profile, stricter_policy, claim), *LAX]
)
def test_a_red_release_is_red_or_unknown_whatever_catalogue_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    made(tmp_path, lost=3)
    found = looked(tmp_path, edited(edit), monkeypatch)
    assert found.outcome is Outcome.FAILED


# --- level policies ----------------------------------------------------------------------------------------


def nothing_is_asked(value: dict[str, Any]) -> None:
    highest = value["policies"]["dpone"]["levels"][-1]
    line = highest["requirements"][0] | {"checks": ["meta.import"], "scenarios": [], "documents": []}
    highest |= {"requirements": [line], "also": [], "fidelity": []}


def levelled(root: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> SubjectDir:
    """Levels granted by that catalogue's policies, which lie beside the plan."""
    plan = make_plan("r1", minutes=NOW, catalog=catalog, **ASKED).model_copy(
        update={"selection": Selection()}
    )
    plan = plan.model_copy(update={"plan_digest": plan.recompute_digest()})
    directory = record(root, plan, minutes=NOW, catalog=catalog)
    sealed = directory.read(directory.plan_path, CertificationPlan)
    write(directory, sealed, report(cases(BOTH)), minutes=NOW + 20, documents=PAGES)
    with monkeypatch.context() as patch:
        patch.setattr(loading, "_packaged", lambda _: catalog)
        decide(directory, "run-1")
    return directory


def test_levels_by_a_lax_policy_of_their_own_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levelled(tmp_path, edited(nothing_is_asked), monkeypatch)
    found = looked(tmp_path, CATALOG, monkeypatch)
    assert found.outcome is Outcome.CANT_TELL
    told = [str(one) for one in found.findings if "other_rules" in one.message]
    assert len(told) == len(BOTH)
    assert "production-certified by other rules than those of here, which grant beta" in told[0]
    assert "policies/dpone: levels.production-certified." in told[0]
    (one,) = found.releases
    assert {each.level for each in one.levels if each.policy == "dpone"} == {"beta"}


def reworded_policy(value: dict[str, Any]) -> None:
    value["policies"]["dpone"]["title"] = "How connectors are certified"


def test_a_policy_that_changed_and_grants_the_same_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = levelled(tmp_path, CATALOG, monkeypatch)
    accept: dict[str, Any] = {"part": True}
    found = looked(tmp_path, edited(reworded_policy), monkeypatch, **accept)
    told = [str(one) for one in found.findings if layout.CONNECTOR_LEVELS in one.path]
    assert told == []
    assert any("granted by other rules than those of here: policies/dpone: title" in n for n in found.notes)
    levels = directory.path / layout.CONNECTOR_LEVELS
    assert json.loads(levels.read_bytes())["policies"]["dpone"] == CATALOG.policies["dpone"].digest()


def test_forged_levels_under_carried_rules_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.gates.releases import write_json

    directory = levelled(tmp_path, CATALOG, monkeypatch)
    path = directory.path / layout.CONNECTOR_LEVELS
    levels = json.loads(path.read_bytes())
    levels["connectors"][0]["level"] = "production-certified"
    write_json(path, levels, resealed=True)
    found = looked(tmp_path, edited(reworded_policy), monkeypatch)
    assert any("level: says 'production-certified'" in str(one) or one.field for one in found.findings)
    assert found.verified is Outcome.FAILED
