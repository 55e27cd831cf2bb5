"""``certify findings``: red cells, the unexplained ones first; and a reproduction run outside the harness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certification_pipeline.catalog import findings as catalogued
from certification_pipeline.catalog.findings import load_findings
from certification_pipeline.catalog.loading import load_catalog
from tests.cli.conftest import Certify

KNOWN = """\
- id: dlt-90
  title: text is mangled
  versions: "1.20.0"
  cause: engine
  cells: ["postgres_to_sqlite/full_refresh/batch.wide"]
  shows: {anomalies: [corrupt, lost]}
  reproduction: reproductions/shows.py
- id: dlt-91
  title: is gone
  versions: "1.20.0"
  cause: engine
  reproduction: reproductions/gone.py
- id: dlt-92
  title: breaks
  versions: "1.20.0"
  cause: engine
  reproduction: reproductions/breaks.py
"""
HEADER = '# /// script\n# requires-python = ">=3.11"\n# dependencies = []\n# ///\nimport sys\n'


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small list of findings, with scripts that need nothing."""
    data, documents = tmp_path / "data", tmp_path / "docs"
    data.mkdir()
    (documents / "reproductions").mkdir(parents=True)
    (data / "dlt.yaml").write_text(KNOWN)
    scripts = {
        "shows": "print('expected: 1', sys.argv[1].split(':')[0])\nprint('REPRODUCED: saw 2')\nsys.exit(1)",
        "gone": "print('NOT REPRODUCED')",
        "breaks": "raise ImportError('no such module')",
    }
    for name, body in scripts.items():
        (documents / "reproductions" / f"{name}.py").write_text(HEADER + body + "\n")
    monkeypatch.setattr(catalogued, "PACKAGED", data)
    monkeypatch.setattr(catalogued, "DOCUMENTS", documents)
    catalogued._packaged.cache_clear()


@pytest.fixture(autouse=True)
def forget() -> object:
    yield
    catalogued._packaged.cache_clear()


@pytest.mark.usefixtures("known")
def test_unexplained_cells_come_first_and_make_it_red(certify: Certify, evidence: Path) -> None:
    answer = certify("findings", "--release-id", "red", "--evidence-dir", evidence, "--format", "json")
    rows = json.loads(answer.out)
    assert answer.code == 1
    states = [bool(row["finding"]) for row in rows]
    assert states == sorted(states)
    explained = [row for row in rows if row["finding"]]
    assert [row["cell"] for row in explained] == ["postgres_to_sqlite/full_refresh/batch.wide"]
    assert explained[0]["finding"] == "dlt-90"


def test_nothing_red_is_green(certify: Certify, evidence: Path) -> None:
    answer = certify("findings", "--release-id", "green", "--evidence-dir", evidence)
    assert (answer.code, answer.out.strip()) == (0, "no cell is red")


@pytest.mark.usefixtures("known")
def test_the_finding_stands_beside_its_cell(certify: Certify, evidence: Path, tmp_path: Path) -> None:
    listed = certify(
        "show", "--release-id", "red", "--by", "cell", "--evidence-dir", evidence, "--format", "json"
    )
    assert {row["finding"] for row in json.loads(listed.out)} == {"", "dlt-90"}
    page = tmp_path / "report.html"
    assert certify("report", "--release-id", "red", "--evidence-dir", evidence, "--output", page).code == 0
    assert 'dlt.md" title="text is mangled">dlt-90</a>' in page.read_text()


@pytest.mark.usefixtures("known")
def test_what_is_written_down_is_listed(certify: Certify) -> None:
    rows = json.loads(certify("findings", "list", "--format", "json").out)
    assert [row["finding"] for row in rows] == ["dlt-90", "dlt-91", "dlt-92"]
    assert certify("findings", "list", "--engine", "reference").out.strip() == "no finding is written down"


@pytest.mark.integration
@pytest.mark.usefixtures("known")
def test_a_reproduction_says_what_it_saw(certify: Certify) -> None:
    both = certify("findings", "reproduce", "dlt-90", "dlt-91")
    assert both.code == 1
    assert "dlt-90: REPRODUCED" in both.out
    assert "dlt-91: NOT REPRODUCED" in both.out
    broken = certify("findings", "reproduce", "dlt-9*")
    assert broken.code == 3
    assert "dlt-92: BROKE" in broken.out
    assert "no such module" in broken.out


def test_an_unknown_finding_is_told(certify: Certify) -> None:
    answer = certify("findings", "reproduce", "nobody-99")
    assert answer.code == 2
    assert "matches nothing" in answer.err


@pytest.mark.integration
@pytest.mark.nightly
@pytest.mark.parametrize("name", [finding.id for finding in load_findings(load_catalog())])
def test_every_reproduction_reproduces(certify: Certify, name: str) -> None:
    answer = certify("findings", "reproduce", name)
    if "this server cannot make a slot with wal2json" in answer.out + answer.err:
        pytest.skip("needs a server with wal2json, which the PostgreSQL wheel lacks")
    assert answer.code == 0, answer.out + answer.err
