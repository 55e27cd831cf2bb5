"""The values for Dagster's chart say what the compose stack says.

The chart is not ours and no part of this repository: what it takes is checked against its own schema when
``CERTIFY_HELM_CHART`` names a folder with it (``helm pull dagster/dagster --untar``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.docker.files import launcher, read, service

VALUES = read("helm/values.yaml")
CHART = os.environ.get("CERTIFY_HELM_CHART")


def _location() -> Mapping[str, Any]:
    (found,) = VALUES["dagster-user-deployments"]["deployments"]
    assert isinstance(found, dict)
    return found


def _run() -> Mapping[str, Any]:
    found = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert isinstance(found, dict)
    return found


def test_a_run_sees_evidence_cache_and_keys_where_the_image_has_them() -> None:
    mounted = {each["mountPath"] for each in _location()["volumeMounts"]}
    assert {"/evidence", "/cache", "/keys"} <= mounted
    assert {each["name"] for each in _location()["volumeMounts"]} == {
        v["name"] for v in _location()["volumes"]
    }
    assert _location()["includeConfigInLaunchedRuns"]["enabled"] is True
    in_docker = {volume.split(":")[1] for volume in launcher()["container_kwargs"]["volumes"]}
    assert in_docker - {"/var/lib/dagster"} <= mounted


def test_it_serves_the_location_that_compose_serves() -> None:
    command = service("code")["command"]
    assert _location()["dagsterApiGrpcArgs"] == command[command.index("--module-name") :]
    assert str(_location()["port"]) == command[command.index("--port") + 1]
    image = _location()["image"]
    assert (
        service("code")["image"].replace("${CERTIFY_TAG:-", "").rstrip("}")
        == f"{image['repository']}:{image['tag']}"
    )


def test_its_health_check_is_the_one_that_notices_a_failed_import() -> None:
    probe = _location()["startupProbe"]
    assert probe["enabled"] is True
    assert probe["exec"]["command"] == service("code")["healthcheck"]["test"][1:]
    # The chart copies a readiness probe with a command as it is: with `enabled`, which Kubernetes refuses.
    assert "exec" not in _location().get("readinessProbe", {})


def test_every_setting_it_makes_is_one_that_runs_take() -> None:
    told = {*launcher()["env_vars"], "CERTIFY_EVIDENCE_DIR", "CERTIFY_CACHE"}
    assert {each["name"] for each in _location()["env"]} <= told
    assert not any("PASS" in each["name"] or "SECRET" in each["name"] for each in _location()["env"])


def test_nothing_begins_a_run_again_by_itself() -> None:
    docker = read("dagster.yaml")
    assert _run()["jobSpecConfig"]["backoffLimit"] == 0
    assert _run()["podSpecConfig"]["restartPolicy"] == "Never"
    assert VALUES["dagsterDaemon"]["runRetries"] == docker["run_retries"] == {"enabled": False}
    monitored = VALUES["dagsterDaemon"]["runMonitoring"]
    assert monitored["maxResumeRunAttempts"] == 0
    assert monitored["cancelTimeoutSeconds"] == docker["run_monitoring"]["cancel_timeout_seconds"]
    slots = docker["run_monitoring"]["free_slots_after_run_end_seconds"]
    assert monitored["freeSlotsAfterRunEndSeconds"] == slots
    assert docker["run_monitoring"].get("max_resume_run_attempts", 0) == 0
    assert (
        _run()["podSpecConfig"]["terminationGracePeriodSeconds"]
        >= docker["run_monitoring"]["cancel_timeout_seconds"]
    )


def test_a_run_is_nobody_without_capabilities() -> None:
    assert _run()["podSpecConfig"]["securityContext"]["runAsUser"] == 10001
    assert _run()["containerConfig"]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.skipif(CHART is None, reason="CERTIFY_HELM_CHART names no folder with Dagster's chart")
def test_the_chart_takes_them() -> None:
    chart = Path(str(CHART))
    whole = _over(yaml.safe_load((chart / "values.yaml").read_text()), VALUES)
    jsonschema.validate(whole, json.loads((chart / "values.schema.json").read_text()))


def _over(below: Any, above: Any) -> Any:
    """As Helm lays one file of values over another: maps are merged, everything else is replaced."""
    if isinstance(below, dict) and isinstance(above, Mapping):
        return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
    return above
