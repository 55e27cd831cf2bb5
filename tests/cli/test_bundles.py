from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify

PLACE = "releases/green/reference"


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


@pytest.mark.parametrize("command", ["strategy-bundle", "evidence-bundle"])
@pytest.mark.parametrize(("release", "code"), [("green", 0), ("red", 1)])
def test_a_bundle_exits_as_its_verdict_says(
    certify: Certify, copy: Path, command: str, release: str, code: int
) -> None:
    answer = certify(command, "--evidence-dir", copy, "--release-id", release, "--format", "json")
    assert answer.code == code
    [made] = json.loads(answer.out)
    assert made["passed"] is (code == 0)
    assert "→ certify " in certify(command, "--evidence-dir", copy, "--release-id", "red").out


def test_what_is_asked_of_a_bundle_stays_asked(certify: Certify, copy: Path, tmp_path: Path) -> None:
    page = tmp_path / "mine.md"
    page.write_text("# Mine\n")
    asked = ("--evidence-dir", copy, "--bundle-id", "rc-7", "--docs-link", "mine.md")
    assert certify("strategy-bundle", *asked).code == 0
    page.unlink()
    assert certify("release-summary", "--evidence-dir", copy).code == 0
    made = json.loads((copy / PLACE / "strategy_certification_bundle.json").read_text())
    assert made["bundle_id"] == "rc-7"
    assert [link["link"] for link in made["docs_links"]] == ["mine.md"]


def test_a_page_that_is_not_there_is_red_until_it_is_not_asked_for(certify: Certify, copy: Path) -> None:
    answer = certify("strategy-bundle", "--evidence-dir", copy, "--docs-link", "docs/nowhere.md")
    assert answer.code == 1
    assert "docs.missing:docs/nowhere.md" in answer.out
    assert certify("release-summary", "--evidence-dir", copy).code == 1
    assert certify("strategy-bundle", "--evidence-dir", copy).code == 0
    assert certify("release-summary", "--evidence-dir", copy).code == 0


@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        ("--replay-evidence", "replay"),
        ("--matrix-artifact", "matrix"),
        ("--connector-artifact", "connector"),
        ("--benchmark-artifact", "benchmark"),
    ],
)
def test_named_evidence_must_be_there_and_inside(
    certify: Certify, copy: Path, tmp_path: Path, switch: str, kind: str
) -> None:
    answer = certify("strategy-bundle", "--evidence-dir", copy, switch, copy / PLACE / "x.json")
    assert answer.code == 1
    assert f"{kind}.missing:x.json" in answer.out
    answer = certify("strategy-bundle", "--evidence-dir", copy, switch, tmp_path / "x.json")
    assert answer.code == 1
    assert "lies outside" in answer.err
    assert certify("strategy-bundle", "--evidence-dir", copy, "--docs-link", "../x.md").code == 1
