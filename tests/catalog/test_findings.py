"""Findings: what is written down about red cells must speak of cells, engines and scripts there are."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from certification_pipeline.catalog.findings import DOCUMENTS, Finding, load_findings
from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.catalog.problems import CatalogError

GOOD = """\
- id: dlt-99
  title: JSON is stored twice encoded
  versions: "1.31.0"
  cause: engine
  cells: ["postgres_to_sqlite/full_refresh/types.matrix"]
  shows: {anomalies: [corrupt], columns: [c_json]}
  reproduction: reproductions/dlt/99_json.py
"""


def loaded(folder: Path, text: str, name: str = "dlt.yaml") -> tuple[Finding, ...]:
    (folder / name).write_text(dedent(text), encoding="utf-8")
    return load_findings(load_catalog(), folder)


def test_a_finding_is_read_with_the_engine_of_its_file(tmp_path: Path) -> None:
    (finding,) = loaded(tmp_path, GOOD)
    catalog = load_catalog()
    assert finding.engine == "dlt"
    assert finding.document == "docs/findings/dlt.md"
    assert finding.about(catalog.engines["dlt"])
    assert not finding.about(catalog.engines["reference"])
    assert finding.names("postgres_to_sqlite", "full_refresh", "types.matrix")
    assert not finding.names("postgres_to_duckdb", "full_refresh", "types.matrix")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("types.matrix", "types.matrx", 5, "matches no cell"),
        ("cause: engine", "cause: nobody", 4, "`nobody` is not allowed here"),
        ("[corrupt]", "[corupt]", 6, "`corupt` is not allowed here"),
        ("title:", "tittle:", 2, "unknown key `tittle`"),
        ("  shows: {anomalies: [corrupt], columns: [c_json]}\n", "", 1, "explain any failure"),
        ("{anomalies: [corrupt], columns: [c_json]}", "{columns: [c_json]}", 6, "explains all"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(CatalogError) as caught:
        loaded(tmp_path, GOOD.replace(old, new))
    assert any(p.line == line and said in f"{p.message} {p.remedy}" for p in caught.value.problems), str(
        caught.value
    )


def test_ids_are_unique_over_all_files(tmp_path: Path) -> None:
    loaded(tmp_path, GOOD)
    with pytest.raises(CatalogError, match="is there twice"):
        loaded(tmp_path, GOOD.replace("postgres_to_sqlite", "*"), "reference.yaml")


def test_a_file_of_no_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no engine is meant"):
        loaded(tmp_path, GOOD, "dtl.yaml")


def test_findings_are_no_part_of_the_catalogue(tmp_path: Path) -> None:
    before = catalog_digest(load_catalog())
    loaded(tmp_path, GOOD)
    assert catalog_digest(load_catalog()) == before


def test_every_packaged_finding_has_its_reproduction_and_its_prose() -> None:
    for finding in load_findings(load_catalog()):
        assert finding.script.is_file(), f"{finding.id}: no {finding.reproduction}"
        assert finding.script.resolve().is_relative_to(DOCUMENTS.resolve())
        text = finding.script.read_text(encoding="utf-8")
        assert "# /// script" in text, f"{finding.id}: the reproduction does not say what it needs"
        assert "certification_pipeline" not in text, f"{finding.id}: must reproduce without this harness"
        assert "REPRODUCED" in text
        assert (DOCUMENTS / f"{finding.engine}.md").is_file(), f"{finding.id}: no prose"
