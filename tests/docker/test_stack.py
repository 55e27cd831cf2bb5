"""The compose stack for real: a schedule's tick, a run in a container of its own, and what remains of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import pytest

from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary
from tests.docker.conftest import SMALL
from tests.docker.stack import Stack, eventually
from tests.docker.standins import OURS

pytestmark = pytest.mark.integration_live

RELEASE = "minutely"
"""What the tests' schedule calls its release."""
CELLS = SMALL["CERTIFY_SCENARIOS"].split(",")
"""One strategy on one route: as many cells as scenarios."""


def _certify(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line on this machine, outside of every container."""
    return subprocess.run(
        [sys.executable, "-m", "certification_pipeline.cli", *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def _in_the_image(client: docker.DockerClient, command: str, **env: str) -> tuple[int, str]:
    container = client.containers.run(OURS, ["sh", "-c", command], environment=env, detach=True)
    try:
        code = int(container.wait()["StatusCode"])
        return code, container.logs().decode()
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def scheduled(stack: Stack) -> dict[str, Any]:
    """The run that the schedule's first tick began, ended."""
    begun = eventually(
        lambda: stack.launched("connector_certification", **{"certification/release": RELEASE}), "a tick"
    )
    return stack.ended(begun["runId"])


@pytest.fixture(scope="module")
def evidence(stack: Stack, scheduled: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert scheduled["runId"]
    return stack.copy_evidence(tmp_path_factory.mktemp("outside"))


def test_a_location_that_does_not_import_is_not_healthy(images: docker.DockerClient) -> None:
    """With Dagster's own check beside it, which is content with the very same server."""
    serve = "dagster code-server start -h 0.0.0.0 -p 4000 -m certification_pipeline.definitions & "
    answers = "until dagster api grpc-health-check -p 4000 2>/dev/null; do sleep 1; done; echo answers; "
    check = "python /opt/dagster/healthy.py code"
    code, said = _in_the_image(images, serve + answers + check, CERTIFY_ROWS="many")
    assert "answers" in said
    assert code == 1, said
    assert "CERTIFY_ROWS" in said.splitlines()[-1] or "CERTIFY_ROWS" in said
    assert _in_the_image(images, serve + answers + check)[0] == 0
    # As the stack starts it there is no such server at all: it ends, and says why.
    shipped = "exec dagster api grpc -h 0.0.0.0 -p 4000 -m certification_pipeline.definitions"
    code, said = _in_the_image(images, shipped, CERTIFY_ROWS="many")
    assert code != 0
    assert "CERTIFY_ROWS" in said


def test_nothing_runs_as_root_or_with_capabilities(stack: Stack) -> None:
    ours = [c for c in stack.client.containers.list() if OURS in c.image.tags]
    assert len(ours) >= 3, "webserver, daemon, code location, and a run if there is one"
    for container in ours:
        code, said = container.exec_run(["sh", "-c", "id -u; grep CapEff /proc/self/status"])
        assert code == 0
        assert said.split() == [b"10001", b"CapEff:", b"0000000000000000"]


def test_a_tick_begins_a_run_in_a_container_that_is_gone_when_it_has_ended(
    stack: Stack, scheduled: dict[str, Any]
) -> None:
    assert scheduled["tags"]["dagster/schedule_name"] == "minutely_connector_certification"
    assert scheduled["tags"]["dagster/image"] == OURS
    assert scheduled["status"] == "SUCCESS", stack.said_by(scheduled["runId"])[-3000:]
    container = scheduled["tags"]["docker/container_id"]

    def gone() -> bool | None:
        return container not in {each.id for each in stack.runs()} or None

    eventually(gone, "its container is removed")


def test_its_evidence_verifies_outside_of_the_containers(evidence: Path) -> None:
    directory = EvidenceStore(evidence).release(RELEASE, "reference")
    assert directory.read(directory.report_path, CertificationReport).total_cases == len(CELLS)
    honest = _certify("verify", str(evidence), "--part")
    assert honest.returncode == 0, honest.stdout + honest.stderr
    (cell, *_) = sorted((directory.path / "cells").glob("*.json"))
    cell.write_text(cell.read_text().replace('"passed"', '"failed"', 1))
    touched = _certify("verify", str(evidence), "--part")
    assert touched.returncode == 1
    assert cell.name in touched.stdout + touched.stderr


def test_its_chain_is_in_the_store_and_verifies_from_there(
    stack: Stack, scheduled: dict[str, Any], tmp_path: Path
) -> None:
    pushed = eventually(
        lambda: stack.launched("push_evidence", **{"dagster/run_key": f"push-{scheduled['runId']}"}), "a push"
    )
    assert stack.ended(pushed["runId"])["status"] == "SUCCESS", stack.said_by(pushed["runId"])[-3000:]
    away = {
        "AWS_ENDPOINT_URL": f"http://{stack.address('store')}:7070",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "certification",
        "AWS_SECRET_ACCESS_KEY": "tests-only-2",
    }
    pulled = _certify("pull", "s3://certification/evidence", str(tmp_path / "pulled"), **away)
    assert pulled.returncode == 0, pulled.stderr
    assert EvidenceStore(tmp_path / "pulled").releases() == (RELEASE,)
    assert _certify("verify", str(tmp_path / "pulled"), "--part").returncode == 0
    wrong = _certify(
        "store", "status", "s3://certification/evidence", **{**away, "AWS_SECRET_ACCESS_KEY": "another"}
    )
    assert wrong.returncode == 3, "nobody can tell how chains stand that are not shown"
    assert "tests-only-2" not in wrong.stdout + wrong.stderr


def test_a_run_whose_container_is_killed_gets_its_verdict_and_keeps_what_it_had_done(
    stack: Stack, scheduled: dict[str, Any], tmp_path: Path
) -> None:
    assert scheduled["runId"]
    release = "killed"
    begun = stack.ask(
        'mutation { launchRun(executionParams: { selector: { repositoryLocationName: "certification", '
        'repositoryName: "__repository__", pipelineName: "connector_certification" }, '
        f'executionMetadata: {{ tags: [{{ key: "certification/release", value: "{release}" }}] }} }}) '
        "{ __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"
    )["launchRun"]
    assert begun["__typename"] == "LaunchRunSuccess", begun
    run_id = begun["run"]["runId"]

    def container() -> Any:
        return next((c for c in stack.runs() if c.labels["dagster/run_id"] == run_id), None)

    worker = eventually(container, "its container")
    eventually(lambda: worker.reload() or worker.status == "running" or None, "it runs")
    for line in worker.logs(stream=True, follow=True):
        if b"passed  postgres_to_sqlite" in line:
            break
    worker.kill()
    ended = stack.ended(run_id)
    assert ended["status"] == "FAILURE"
    decided = eventually(
        lambda: stack.launched("verdict", **{"certification/release": release}), "the verdict"
    )
    assert stack.ended(decided["runId"])["status"] == "FAILURE", "a release with cells missing is not green"
    eventually(lambda: not stack.runs() or None, "nothing is left running")

    directory = EvidenceStore(stack.copy_evidence(tmp_path)).release(release, "reference")
    done = list((directory.path / "cells").glob("*.json"))
    report = directory.read(directory.report_path, CertificationReport)
    summary = directory.read(directory.summary_path, ReleaseSummary)
    assert 1 <= len(done) < report.total_cases
    assert summary.blockers
    assert not list(directory.path.rglob("*.tmp"))
