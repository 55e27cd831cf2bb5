"""An honest plan is what planning gives here, whatever could be reached where it was made."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import ReasonCode
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import environment, producer
from certification_pipeline.families.plan import PlanError, build_plan
from certification_pipeline.gates.verify.judge import Held
from certification_pipeline.harness.services.provider import Availability
from certification_pipeline.pipeline.verify import planned_from
from certification_pipeline.settings import RunSettings
from tests.verify.builders import CATALOG, PLANNED

AWAY = Availability(ok=False, detail="not here", remedy="start it")
HERE = Availability(ok=True, detail="")
ENGINES = [*CATALOG.engines, "dlt==1.30.0"]


def plan(
    engine: str, profile: str, answer: Availability | None, **asked: tuple[str, ...]
) -> CertificationPlan:
    settings = RunSettings.model_validate({"profile": profile, "engines": (engine,), **asked})
    return build_plan(
        CATALOG,
        engine,
        profile,
        rows=1000,
        seed=3,
        release_id="r1",
        run_id="run-1",
        subject=Subject(engine=engine, version="1", artifact_digest="sha256:" + "ab" * 32),
        availability=dict.fromkeys(CATALOG.systems, answer) if answer else {},
        producer=producer(),
        environment=environment(),
        routes=settings.routes,
        strategies=settings.strategies,
        scenarios=settings.scenarios,
        families=settings.chosen_families(engine, CATALOG),
        only_families=settings.families,
    )


def check(engine: str, profile: str) -> None:
    for answer in (HERE, AWAY, None):
        made = plan(engine, profile, answer)
        assert PLANNED(made, None) == Held()
        gone = {"disposition": "untested", "reason": ReasonCode.DRIVER_MISSING, "detail": "x", "remedy": "y"}
        cells = tuple(one.model_copy(update=gone) if one.disposition == "run" else one for one in made.cells)
        assert PLANNED(made.model_copy(update={"cells": cells}), None) == Held()


def test_a_whole_plan_and_a_narrowed_one() -> None:
    check("reference", "embedded")
    narrowed = plan("reference", "embedded", HERE, scenarios=("rec.kill",), families=("calibration",))
    assert PLANNED(narrowed, None) == Held()


@pytest.mark.nightly
@pytest.mark.parametrize("profile", CATALOG.profiles)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_under_every_profile(engine: str, profile: str) -> None:
    try:
        check(engine, profile)
    except PlanError as error:
        pytest.skip(str(error))


def test_what_this_catalogue_does_not_know_cannot_be_told() -> None:
    made = plan("reference", "embedded", HERE)
    for changes in ({"profile": "unheard_of"}, {"catalog_digest": "sha256:" + "0" * 64}):
        held = planned_from(CATALOG)(made.model_copy(update=changes), None)
        assert not held.problems
        assert "whether the plan leaves anything out cannot be seen here" in held.other[0]
