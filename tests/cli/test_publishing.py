from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.conftest import Certify


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


def drawn(certify: Certify, copy: Path, release: str = "green") -> tuple[int, dict[str, dict[str, str]]]:
    answer = certify(
        "badges", "--evidence-dir", copy, "--release-id", release, "--out", "b", "--format", "json"
    )
    assert answer.out, answer.err
    return answer.code, {Path(row["file"]).stem: row for row in json.loads(answer.out)}


def test_badges_are_drawn_and_old_evidence_is_stale(certify: Certify, copy: Path) -> None:
    """The sample's cells are of June 2025: whatever they showed, it says nothing about today."""
    code, made = drawn(certify, copy)
    assert code == 0
    assert made["release"]["message"] == "stale since 2025-07-03"
    assert {row["colour"] for row in made.values()} == {"grey"}
    for name, row in made.items():
        ET.parse(row["file"])
        assert json.loads(Path(f"b/reference/{name}.json").read_text())["schemaVersion"] == 1


def test_touched_evidence_turns_every_badge_red(certify: Certify, copy: Path) -> None:
    drawn(certify, copy)
    cell = next((copy / "releases/green/reference/cells").iterdir())
    cell.write_bytes(cell.read_bytes() + b"\n")
    code, made = drawn(certify, copy)
    assert code == 1
    assert len(made) > 3
    assert {(row["message"], row["colour"]) for row in made.values()} == {("not verified", "red")}
    assert "not verified" in Path("b/reference/release.svg").read_text()


def test_an_export_is_written_whole_or_to_the_screen(certify: Certify, evidence: Path) -> None:
    place = ("--evidence-dir", evidence, "--release-id", "red")
    assert certify("export", "--to", "junit", *place, "--out", "x/out.xml").code == 0
    suites = ET.parse("x/out.xml").getroot()
    assert int(suites.get("failures", "0")) > 0
    answer = certify("export", "--to", "ctrf", *place)
    assert answer.code == 0
    results = json.loads(answer.out)["results"]
    assert results["environment"]["appName"] == "dlt"
    assert results["environment"]["healthy"] is False
    assert certify("export", "--to", "allure", *place).code == 2
    assert certify("export", "--to", "junit", "--evidence-dir", "nowhere").code == 2
