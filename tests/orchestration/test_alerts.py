"""Sensors that tell people, and the check that shows missed days, on ledgers on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from certification_pipeline.alerts.ticks import Day, Kept, calendar
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.kept import judge_days
from certification_pipeline.orchestration.names import PLAN
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.sensors import alerts
from certification_pipeline.orchestration.timetable import SCHEDULE_KEPT, schedule_kept_check
from certification_pipeline.settings import SettingsError
from certification_pipeline.timetable import Timetable
from tests.evidence.builders import START
from tests.levels.builders import day, history, said
from tests.levels.ledgers import released
from tests.notify.receivers import Webhook, always, shows_no_canary, webhook

pytestmark = pytest.mark.integration
NAMES = ("red_gate", "demotion", "expiring_evidence", "missed_tick")


class Tick:
    """What one evaluation answered."""

    def __init__(self, result: dg.SensorResult) -> None:
        self.said = result.skip_reason.skip_message if result.skip_reason else ""
        self.cursor = result.cursor
        self.marks = [one for one in result.asset_events or () if isinstance(one, dg.AssetCheckEvaluation)]


def tick(root: Path, name: str, cursor: str | None = None) -> Tick:
    sensor = next(one for one in alerts.alert_sensors(Timetable()) if one.name == name)
    context = dg.build_sensor_context(
        cursor=cursor, resources={"certification": CertificationResource(evidence_dir=str(root))}
    )
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return Tick(result)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as made:
        monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_URL", made.url)
        yield made


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(alerts, "utc_now", lambda: moment)


def statuses(defs: dg.Definitions) -> dict[str, bool]:
    found = {one.name: one for one in defs.sensors or ()}
    return {name: found[name].default_status is dg.DefaultSensorStatus.RUNNING for name in NAMES}


def test_sensors_are_off_until_somebody_is_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the one that marks missed days: they would show nowhere."""
    resource = CertificationResource(evidence_dir="unused")
    assert statuses(build_defs(resource)) == dict.fromkeys(NAMES, False) | {"missed_tick": True}
    monkeypatch.setenv("CERTIFY_NOTIFY_LOG", "true")
    assert all(statuses(build_defs(resource)).values())
    monkeypatch.setenv("CERTIFY_NOTIFY_LOUD", "true")
    with pytest.raises(SettingsError, match="CERTIFY_NOTIFY_LOUD is no setting"):
        build_defs(resource)


def test_red_is_told_once_and_the_tick_says_so(tmp_path: Path, hook: Webhook) -> None:
    assert tick(tmp_path, "red_gate").said == "Nothing is worth a notice."
    released(tmp_path, 0, red=True)
    first = tick(tmp_path, "red_gate")
    assert first.said == "Told slack: RED: reference 0.1.0, release release-00 may not go out."
    again = tick(tmp_path, "red_gate", first.cursor)
    assert again.said.startswith("Nothing has changed since ")
    assert again.said.endswith(first.said)
    assert tick(tmp_path, "red_gate").said == "1 notice, all told before.", "the cursor was lost"
    assert [one["text"] for one in hook.taken] == [
        "*RED: reference 0.1.0, release release-00 may not go out*"
    ]
    released(tmp_path, 1)
    assert tick(tmp_path, "red_gate", first.cursor).said.startswith("Told slack: Green again")


@pytest.mark.nightly
def test_what_was_not_told_is_tried_at_the_next_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released(tmp_path, 0, red=True)
    with webhook(lambda asked: (400, {}, "no_team") if asked == 0 else (200, {}, "ok")) as hook:
        monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_URL", hook.url)
        first = tick(tmp_path, "red_gate")
        assert first.said.startswith("Could not tell slack [answered 400 “no_team”]: RED: ")
        assert tick(tmp_path, "red_gate", first.cursor).said.startswith("Told slack")
        shows_no_canary(first.said, first.cursor)


@pytest.mark.nightly
def test_a_receiver_that_fails_makes_no_tick_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released(tmp_path, 0, red=True)
    with webhook(always(404, "gone")) as hook:
        monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_URL", hook.url)
        assert "answered 404" in tick(tmp_path, "red_gate").said
    (tmp_path / "notices" / "sent.jsonl").unlink()
    (tmp_path / "notices" / "sent.jsonl").mkdir()
    assert "is not a regular file" in tick(tmp_path, "red_gate").said


def test_without_a_receiver_the_tick_says_what_there_would_be(tmp_path: Path) -> None:
    released(tmp_path, 0, red=True)
    said_ = tick(tmp_path, "red_gate").said
    assert said_.startswith(alerts.NOBODY)
    assert "RED: reference 0.1.0" in said_
    assert not (tmp_path / "notices").exists()


@pytest.mark.nightly
def test_levels_and_expiry_are_told(tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    released(tmp_path, 0)
    at(monkeypatch, START + timedelta(hours=3))
    told = "Told slack: Promoted: reference/duckdb and 2 others (krishiv)."
    assert tick(tmp_path, "demotion").said == told
    assert tick(tmp_path, "expiring_evidence").said == "Nothing is worth a notice."
    at(monkeypatch, START + timedelta(days=22))
    assert "Expiring: evidence of 3 connectors of reference 0.1.0, the first on 2024-12-17 03:41" in (
        tick(tmp_path, "expiring_evidence").said
    )
    at(monkeypatch, START + timedelta(days=29))
    assert "Under notice: reference/duckdb and 2 others (krishiv)" in tick(tmp_path, "demotion").said
    at(monkeypatch, START + timedelta(days=36))
    assert "Demoted: reference/duckdb and 2 others (krishiv)" in tick(tmp_path, "demotion").said
    assert "reference/duckdb: preview → none" in hook.taken[-1]["attachments"][0]["text"]
    assert len(hook.taken) == 4


def test_a_chain_that_does_not_hold_hides_no_missed_day(tmp_path: Path, hook: Webhook) -> None:
    released(tmp_path, 0, trigger=Trigger.SCHEDULE)
    released(tmp_path, 1, trigger=Trigger.SCHEDULE)
    next((tmp_path / "chain").glob("*/000001__*")).unlink()
    found = tick(tmp_path, "missed_tick")
    assert "Could not be looked at: chain/reference" in found.said
    (mark,) = found.marks
    assert (mark.passed, mark.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "cannot be read" in (mark.description or "")


def test_a_missed_day_is_told_and_marked_without_any_run(
    tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(tmp_path, 0)
    at(monkeypatch, START + timedelta(days=1))
    assert tick(tmp_path, "missed_tick").marks == [], "there is no timetable yet"
    released(tmp_path, 1, trigger=Trigger.SCHEDULE)
    at(monkeypatch, START + timedelta(days=1, hours=3))
    kept = tick(tmp_path, "missed_tick")
    (mark,) = kept.marks
    assert (mark.asset_key, mark.check_name, mark.passed) == (PLAN, SCHEDULE_KEPT, True)
    at(monkeypatch, (START + timedelta(days=2)).replace(hour=4, minute=18))
    missed = tick(tmp_path, "missed_tick", kept.cursor)
    assert "Told slack: Missed: no scheduled certification of reference on 2024-11-21" in missed.said
    (mark,) = missed.marks
    assert (mark.passed, mark.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert mark.description == "not observed: 2024-11-21"
    at(monkeypatch, (START + timedelta(days=2)).replace(hour=5, minute=18))
    assert tick(tmp_path, "missed_tick", missed.cursor).marks == [], "once a change"
    assert len(hook.taken) == 1


def shown(kept: Kept) -> tuple[bool, dg.AssetCheckSeverity, str]:
    found = judge_days([kept])
    return found.passed, found.severity, found.description


def test_the_newest_day_is_red_an_older_one_amber_and_no_timetable_is_amber() -> None:
    days = [said(number) for number in range(9) if number != 4]
    red, amber = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    assert shown(calendar(history(days[:4]), day(4.5))) == (False, red, "not observed: 2025-01-05")
    assert shown(calendar(history(days[:5]), day(5.5))) == (False, amber, "not observed: 2025-01-05")
    assert shown(calendar(history(days[:4]), day(4))) == (True, red, "every scheduled day was observed")
    nothing = judge_days([])
    assert (nothing.passed, nothing.severity) == (False, amber)
    # The first scheduled run shows it while it goes on itself: no day there is to judge must not fail it.
    first = calendar(history([]), day(4.5), undecided=[day(4.4)])
    assert shown(first)[:2] == (False, amber)
    assert "no scheduled day is over yet" in shown(first)[2]
    retired = judge_days([calendar(history([said(0)]), day(90))])
    assert (retired.passed, retired.severity) == (False, amber)


def rows(table: dg.MetadataValue) -> list[dict[str, object]]:
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def test_the_check_shows_thirty_days_and_figures() -> None:
    days = [said(number) for number in range(40) if number not in (35, 36)]
    found = judge_days([calendar(history(days), day(39.5))])
    weeks = rows(found.metadata["1_calendar"])
    marks = ["● 3", "● 4", "✗ 5", "✗ 6", "● 7", "● 8", "● 9"]
    assert list(weeks[0].values()) == ["2025-02-03", "reference", *marks]
    assert list(weeks[-1].values()) == ["2025-01-06", "reference", "", "", "", "", "", "● 11", "● 12"]
    assert len(weeks) == 5
    assert [(row["day"], row["is"]) for row in rows(found.metadata["3_not_observed"])] == [
        ("2025-02-06", Day.MISSED),
        ("2025-02-05", Day.MISSED),
    ]
    assert found.metadata["days_missed"].value == 2
    assert found.metadata["days_kept"].value == 28


@pytest.mark.nightly
def test_the_check_runs_alone_and_a_broken_ledger_fails_nothing(tmp_path: Path) -> None:
    released(tmp_path, 0)
    released(tmp_path, 1)
    check = schedule_kept_check(Timetable())

    def run() -> dg.AssetCheckEvaluation:
        job = dg.Definitions(
            assets=[dg.AssetSpec(PLAN)],
            asset_checks=[check],
            jobs=[dg.define_asset_job("alone", dg.AssetSelection.checks(check))],
            resources={"certification": CertificationResource(evidence_dir=str(tmp_path))},
        ).resolve_job_def("alone")
        result = job.execute_in_process()
        assert result.success
        (evaluation,) = result.get_asset_check_evaluations()
        return evaluation

    assert run().description == "no release was ever begun by a schedule: nothing counts for a soak yet"
    next((tmp_path / "chain").glob("*/000001__*")).write_text("{}")
    assert run().passed is False


def test_a_cursor_of_somebody_else_is_no_obstacle(tmp_path: Path, hook: Webhook) -> None:
    for cursor in ("nonsense", "[]", json.dumps({"seen": 1}), "null"):
        assert tick(tmp_path, "red_gate", cursor).said == "Nothing is worth a notice."
    assert not hook.taken
