from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from tests.cli.conftest import Certify
from tests.evidence.builders import ENGINE, RELEASE
from tests.gates.releases import decided_release


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A green release of November 2024, with four cells."""
    root = tmp_path / "evidence"
    decided_release(root)
    EvidenceStore(root).set_latest(RELEASE)
    return root


def drawn(certify: Certify, root: Path) -> tuple[int, dict[str, dict[str, str]]]:
    answer = certify("badges", "--evidence-dir", root, "--out", "b", "--format", "json")
    assert answer.out, answer.err
    return answer.code, {Path(row["file"]).stem: row for row in json.loads(answer.out)}


def test_badges_are_drawn_and_old_evidence_is_stale(certify: Certify, small: Path) -> None:
    """Whatever cells of 2024 showed, it says nothing about today."""
    code, made = drawn(certify, small)
    assert code == 0
    assert made["release"]["message"] == "stale since 2024-12-17"
    assert {row["colour"] for row in made.values()} == {"grey"}
    for name, row in made.items():
        ET.parse(row["file"])
        assert json.loads(Path(f"b/reference/{name}.json").read_text())["schemaVersion"] == 1


def test_touched_evidence_turns_every_badge_red(certify: Certify, small: Path) -> None:
    drawn(certify, small)
    cell = next((small / "releases" / RELEASE / ENGINE / "cells").iterdir())
    cell.write_bytes(cell.read_bytes() + b"\n")
    code, made = drawn(certify, small)
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


def test_pages_are_published_from_evidence_and_checked_against_it(certify: Certify, small: Path) -> None:
    place = ("publish-pages", "--evidence-dir", small)
    Path("README.md").write_text("<!-- published: begin -->\n<!-- published: end -->\n")
    written = certify(*place)
    assert written.code == 0, written.err
    assert "docs/connector-matrix.md" in written.out
    checked = certify(*place, "--check")
    assert checked.code == 0
    assert "– reference: its evidence expired on 2024-12-17: certify again" in checked.err
    stranger = Signer.generate().public_key.pem
    assert certify(*place, "--check", "--key", stranger).code == 1
    unsigned = certify(*place, "--key", stranger)
    assert unsigned.code == 1
    assert "is not signed: it proves no author" in unsigned.err
    record = Path("docs/published/reference.json")
    record.write_text(record.read_text().replace('"rows": 100', '"rows": 100000', 1))
    assert certify(*place, "--check").code == 1
    assert certify(*place).code == 0
    page = Path("docs/guarantee-matrix.md")
    page.write_text(page.read_text() + "Certified.\n")
    answer = certify(*place, "--check")
    assert (answer.code, "docs/guarantee-matrix.md is not what its record says" in answer.out) == (1, True)
    assert certify(*place, "--from-records").code == 0
    cell = next((small / "releases" / RELEASE / ENGINE / "cells").iterdir())
    cell.write_bytes(cell.read_bytes() + b"\n")
    assert certify(*place, "--check").code == 1
    before = record.read_bytes()
    assert certify(*place).code == 1  # nothing is published of what does not verify
    assert record.read_bytes() == before
