"""What a run has chained goes to the store when the run has ended, and what went there verifies."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.opening import open_store
from certification_pipeline.gates.transfer.status import Standing, status
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import report_key, summary_key
from certification_pipeline.orchestration.push import push_evidence
from certification_pipeline.orchestration.resources import CertificationResource
from tests.levels.ledgers import released
from tests.orchestration.conftest import House, small_catalog

pytestmark = pytest.mark.integration


def _defs(evidence: Path) -> dg.Definitions:
    return build_defs(CertificationResource(evidence_dir=str(evidence), workers=1), small_catalog())


def _pushed(evidence: Path) -> dg.ExecuteInProcessResult:
    job = _defs(evidence).resolve_job_def("push_evidence")
    return job.execute_in_process(instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)


def _said(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.STEP_FAILURE]
    return failed.step_failure_data.user_failure_data.description or ""


def test_without_a_store_there_is_nothing_to_push_with(tmp_path: Path) -> None:
    defs = _defs(tmp_path)
    assert not defs.resolve_asset_graph().get_all_asset_keys() & {dg.AssetKey("push_evidence")}
    with pytest.raises(dg.DagsterInvariantViolationError):
        defs.resolve_job_def("push_evidence")
    made = push_evidence.execute_in_process(
        resources={"certification": CertificationResource(evidence_dir=str(tmp_path))}, raise_on_error=False
    )
    assert "Set CERTIFY_PUSH_TO" in _said(made)


def test_every_chain_is_in_the_store_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released(tmp_path / "evidence")
    monkeypatch.setenv("CERTIFY_PUSH_TO", str(tmp_path / "store"))
    assert _pushed(tmp_path / "evidence").success
    found = status(EvidenceStore(tmp_path / "evidence"), open_store(str(tmp_path / "store")), "reference")
    assert found.standing is Standing.SAME
    assert found.there > 0


def test_a_store_inside_the_evidence_is_refused_and_said_plainly(
    house: House, green: dg.ExecuteInProcessResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert green.success
    monkeypatch.setenv("CERTIFY_PUSH_TO", str(house.root / "evidence"))
    refused = _pushed(house.root / "evidence")
    assert not refused.success
    assert str(house.root / "evidence") in _said(refused)


RUNS = [
    ("full_certification", None, True),
    ("verdict", [summary_key("reference")], True),
    ("__ASSET_JOB", [report_key("reference")], False),
    ("push_evidence", None, False),
]
"""Job, what of it was chosen, and whether it is followed by a push."""


def test_who_decided_is_followed_by_a_push_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_PUSH_TO", str(tmp_path / "store"))
    defs = _defs(tmp_path)
    instance = dg.DagsterInstance.ephemeral()
    for ended in ("success", "failure"):
        sensor = defs.resolve_sensor_def(f"push_after_{ended}")
        for job, chosen, pushes in RUNS:
            run = dg.DagsterRun(job_name=job, asset_selection=frozenset(chosen) if chosen else None)
            kind = dg.DagsterEventType[f"RUN_{ended.upper()}"]
            event = dg.DagsterEvent(event_type_value=kind.value, job_name=job, message="")
            answer = sensor(
                dg.build_run_status_sensor_context(
                    sensor_name=sensor.name, dagster_instance=instance, dagster_run=run, dagster_event=event
                )
            )
            assert isinstance(answer, dg.RunRequest if pushes else dg.SkipReason), (ended, job)
            if isinstance(answer, dg.RunRequest):
                assert answer.run_key == f"push-{run.run_id}"
