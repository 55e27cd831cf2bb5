"""New versions of engines in Dagster: seen by a sensor, certified once, compared in an asset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import upgrade_key
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.sensors.upgrades import UPGRADE_TAG
from tests.notify.receivers import webhook
from tests.orchestration.conftest import House, failures, small_catalog
from tests.upgrades.serving import Served, file, package_index
from tests.upgrades.toy import publish, with_toy


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with package_index() as served:
        monkeypatch.setenv("CERTIFY_INDEX_URL", served.url)
        yield served


@pytest.fixture
def defs(tmp_path: Path) -> dg.Definitions:
    return build_defs(
        CertificationResource(evidence_dir=str(tmp_path / "evidence")), with_toy(small_catalog(), tmp_path)
    )


def sensor_of(defs: dg.Definitions) -> dg.SensorDefinition:
    return next(one for one in defs.sensors or () if one.name == "new_engine_version")


def tick(defs: dg.Definitions) -> dg.SensorResult:
    assert defs.resources
    context = dg.build_sensor_context(resources={"certification": defs.resources["certification"]})
    made = sensor_of(defs)(context)
    assert isinstance(made, dg.SensorResult)
    return made


def test_the_sensor_is_off_until_switched_on_and_looks_once_an_hour(defs: dg.Definitions) -> None:
    sensor = sensor_of(defs)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert sensor.minimum_interval_seconds == 3600


def test_a_new_version_is_told_once_and_begins_its_run_whether_or_not_anybody_listens(
    defs: dg.Definitions, index: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.json("toy", file("1.3.0"))
    with webhook(lambda asked: (400, {}, "") if asked == 0 else (200, {}, "ok")) as hook:
        monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_URL", hook.url)
        for _ in range(3):
            assert [one.run_key for one in tick(defs).run_requests or ()] == ["upgrade-toy-1.3.0"]
    assert [one["text"] for one in hook.taken] == ["*New version: toy 1.3.0 was never certified*"]


def test_a_new_version_is_one_run_with_config_that_fits_the_job(defs: dg.Definitions, index: Served) -> None:
    index.json("toy", file("1.2.3"), file("1.3.0"), file("2.0rc1"))
    for _ in range(2):
        (request,) = tick(defs).run_requests or ()
        assert request.run_key == "upgrade-toy-1.3.0"
        assert request.asset_selection == [upgrade_key("toy")]
        assert request.tags[UPGRADE_TAG] == "toy==1.3.0"
        job = defs.resolve_job_def("upgrade_certification")
        assert dg.validate_run_config(job, request.run_config)
    index.json("toy", file("1.3.0"), file("1.4.0"))
    assert [one.run_key for one in tick(defs).run_requests or ()] == ["upgrade-toy-1.4.0"]


@pytest.mark.parametrize("state", ["down", "garbage", "absent", "nothing new", "no address", "unreadable"])
def test_whatever_the_index_does_no_tick_crashes(
    defs: dg.Definitions, index: Served, monkeypatch: pytest.MonkeyPatch, state: str, tmp_path: Path
) -> None:
    words = {"down": "cannot be reached", "garbage": "Invalid JSON", "absent": "no package toy"}
    words |= {"nothing new": "1 of 1 up to date", "no address": "CERTIFY_INDEX_URL", "unreadable": "releases"}
    index.json("toy", file("1.2.3"))
    if state == "down":
        monkeypatch.setenv("CERTIFY_INDEX_URL", "http://127.0.0.1:1/simple")
    elif state == "garbage":
        index.raw("toy", b"{")
    elif state == "absent":
        index.pages.clear()
    elif state == "no address":
        monkeypatch.setenv("CERTIFY_INDEX_URL", "nowhere")
    elif state == "unreadable":
        (tmp_path / "evidence").mkdir()
        (tmp_path / "evidence" / "releases").write_text("no directory")
    made = tick(defs)
    assert not made.run_requests
    assert words[state] in str(made.skip_reason)


def test_an_address_that_is_none_keeps_the_code_location_from_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_INDEX_URL", "nowhere")
    with pytest.raises(Exception, match="CERTIFY_INDEX_URL"):
        build_defs(CertificationResource(evidence_dir=str(tmp_path)), with_toy(small_catalog(), tmp_path))


def test_where_no_engine_comes_from_an_index_there_is_nothing_to_watch(house: House) -> None:
    names = {key.path[0] for key in house.defs.resolve_asset_graph().get_all_asset_keys()}
    assert "upgrades" not in names
    assert all(one.name != "new_engine_version" for one in house.defs.sensors or ())


def test_without_a_version_nothing_is_run(defs: dg.Definitions, tmp_path: Path) -> None:
    """ "Materialize all" does what certify run does, and certifies no upgrade by the way."""
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("upgrade_certification").execute_in_process(instance=instance)
    assert done.success
    assert done.asset_materializations_for_node("upgrades__toy") == []
    assert EvidenceStore(tmp_path / "evidence").releases() == ()


def test_a_version_that_is_not_there_is_told_plainly_and_seals_nothing(
    defs: dg.Definitions, tmp_path: Path
) -> None:
    config = {"ops": {"upgrades__toy": {"config": {"version": "no version"}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def("upgrade_certification").execute_in_process(
            instance=instance, run_config=config, raise_on_error=False
        )
    assert not done.success
    (failed,) = [e for e in done.all_events if e.event_type is dg.DagsterEventType.STEP_FAILURE]
    assert "is no version" in failed.step_failure_data.user_failure_data.description
    assert EvidenceStore(tmp_path / "evidence").releases() == ()


@pytest.mark.nightly
@pytest.mark.integration
def test_an_upgrade_is_certified_for_real_and_a_regression_in_it_is_red(
    index: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real wheels from a real index, in real environments; the last version ignores deletes."""
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("CERTIFY_ROWS", "120")
    certification = CertificationResource(evidence_dir=str(tmp_path / "evidence"), workers=2)
    locked = publish(index, tmp_path, v1_2_3="", v1_3_0="")
    defs = build_defs(certification, with_toy(small_catalog(), tmp_path, locked))
    job = defs.resolve_job_def("upgrade_certification")

    def upgraded(instance: dg.DagsterInstance) -> tuple[dict[str, object], dg.AssetCheckEvaluation]:
        (request,) = tick(defs).run_requests or ()
        done = job.execute_in_process(instance=instance, run_config=request.run_config, raise_on_error=False)
        assert done.success, failures(done)
        (made,) = done.asset_materializations_for_node("upgrades__toy")
        (check,) = done.get_asset_check_evaluations()
        return {name: value.value for name, value in made.metadata.items()}, check

    with dg.DagsterInstance.ephemeral() as instance:
        shown, check = upgraded(instance)
        # Nothing was certified before: both versions are run.
        assert (shown["version_before"], shown["version"], shown["regressions"]) == ("1.2.3", "1.3.0", 0)
        assert shown["release_before"] == shown["release"] == "upgrade-toy-1.3.0"
        assert check.passed, check.description
        assert "1 of 1 up to date" in str(tick(defs).skip_reason)

        publish(index, tmp_path, v1_2_3="", v1_3_0="", v1_4_0="ignore_deletes", v2_0rc1="")
        shown, check = upgraded(instance)
        assert (shown["version_before"], shown["version"]) == ("1.3.0", "1.4.0")
        assert shown["release_before"] == "upgrade-toy-1.3.0"
        assert not check.passed
        assert check.severity is dg.AssetCheckSeverity.ERROR
        worst = shown["1_regressions_first"].records[0].data
        assert worst["what"] == "broke"
        assert "snapshot_diff" in str(worst["cell"]).replace("\u200b", ""), "long names may break"
        upgrade_page = (tmp_path / "evidence/releases/upgrade-toy-1.4.0/upgrade.md").read_text()
        red = upgrade_page.partition("## Turned red")[2].partition("## Turned green")[0]
        assert "strategy.snapshot\\_diff" in red
        assert "1 of 1 up to date" in str(tick(defs).skip_reason)
    # Whatever else is asked for in Dagster is about the newest release that is no upgrade's.
    assert certification.store().latest() == "upgrade-toy-1.4.0"
    assert certification.decided_by(dg.DagsterRun(job_name="j")).startswith("dagster-")
