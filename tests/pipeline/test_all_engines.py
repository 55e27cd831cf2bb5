"""Many engines in one release: one that cannot be started is untested and says so, the others go on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError
from certification_pipeline.harness.services.postgres_dsn import SOURCE_VARIABLE
from certification_pipeline.pipeline.certify import certify
from certification_pipeline.pipeline.preview import preview
from certification_pipeline.settings import RunSettings, SettingsError, matching_engines

pytestmark = pytest.mark.integration


def test_a_driver_that_is_missing_is_untested_and_the_others_go_on(
    tmp_path: Path, catalog: Catalog, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOURCE_VARIABLE, server)
    reference = catalog.engines["reference"]
    broken = reference.model_copy(update={"id": "broken", "driver": DriverSpec(command=("./nowhere",))})
    both = catalog.model_copy(update={"engines": {"broken": broken, "reference": reference}})
    settings = RunSettings(
        engines=("all",),
        routes=("postgres_to_postgres",),
        strategies=("full_refresh",),
        scenarios=("batch.full_refresh",),
        rows=60,
        release_id="r1",
        workers=1,
        evidence_dir=tmp_path,
    )
    decided = certify(settings, both, lambda _: None, threading.Event())
    assert decided["reference"].report.outcome is Outcome.PASSED
    assert [row.outcome for row in decided["broken"].report.results] == [Outcome.UNTESTED]
    assert not decided["broken"].report.passed
    directory = EvidenceStore(tmp_path).release("r1", "broken")
    (cell,) = directory.read(directory.plan_path, CertificationPlan).cells
    assert (cell.disposition, cell.reason) == ("untested", ReasonCode.DRIVER_MISSING)
    assert cell.detail is not None
    assert "nowhere" in cell.detail


def test_a_filter_may_be_meant_for_one_of_the_engines(catalog: Catalog) -> None:
    settings = RunSettings(
        engines=("reference", "krishiv"),
        routes=("postgres_to_postgres", "parquet_to_parquet"),
        strategies=("full_refresh",),
    )
    routes = {
        plan.subject.engine: {cell.key.route_id for cell in plan.cells} for plan in preview(settings, catalog)
    }
    assert "parquet_to_parquet" in routes["krishiv"]
    assert routes["reference"] == {"postgres_to_postgres"}
    alone = settings.model_copy(update={"engines": ("reference",)})
    with pytest.raises(PlanError, match="parquet_to_parquet"):
        preview(alone, catalog)


def test_all_is_every_engine_of_the_catalogue(catalog: Catalog) -> None:
    settings = RunSettings(engines=("all",))
    settings.check(catalog)
    assert settings.chosen_engines(catalog) == tuple(catalog.engines)
    assert matching_engines(("d*", "all"), ("a", "dlt")) == ("a", "dlt")
    with pytest.raises(SettingsError, match="al"):
        RunSettings(engines=("al",)).check(catalog)
