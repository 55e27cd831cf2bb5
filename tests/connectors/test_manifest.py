from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.manifest import read_manifest
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.families.connector_live.pages import stale_pages

DOCS = Path(__file__).parents[2] / "docs" / "connectors"
GOOD = """engine: reference
source:
  system: postgres
  dsn: ${PG}
  object: orders
sink:
  system: duckdb
  dsn: ${DIR}/w.duckdb
  object: orders
strategy: incremental_merge
primary_key: [id]
"""


def read(tmp_path: Path, text: str) -> object:
    file = tmp_path / "m.yaml"
    file.write_text(text)
    return read_manifest(file, load_catalog())


def test_every_example_is_a_manifest() -> None:
    files = sorted((DOCS / "examples").glob("*.yaml"))
    assert len(files) == 8
    for file in files:
        manifest = read_manifest(file, load_catalog())
        assert file.stem == f"{manifest.engine}-{manifest.source.system}-{manifest.sink.system}"


def test_variables_are_resolved_and_dsns_not_shown(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(GOOD)
    manifest = read_manifest(tmp_path / "m.yaml", load_catalog())
    assert manifest.sink.variables == ("DIR",)
    assert manifest.sink.resolve({"DIR": "/data"}) == "/data/w.duckdb"
    with pytest.raises(KeyError, match="PG"):
        manifest.source.resolve({})
    assert "${PG}" not in repr(manifest)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("engine: reference", "engin: reference", 1, "engin"),
        ("engine: reference", "engine: referenze", 1, "there is no engine `referenze`"),
        ("system: duckdb", "system: duckdbb", 7, "there is no system `duckdbb`"),
        ("system: duckdb", "system: mssql", 10, "does not claim incremental_merge"),
        ("incremental_merge", "teleport", 10, "`teleport` is not allowed here"),
        ("primary_key: [id]", "primary_key: []", 11, "primary_key"),
        ("${PG}", "postgresql://me:hunter2hunter2@h/d", 4, "a password stands in the manifest"),
        ("${PG}", "postgresql://me:${PW}:x@h/d?password=hunter2hunter2", 4, "a password stands"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(CatalogError) as refused:
        read(tmp_path, GOOD.replace(old, new, 1))
    problem = next(each for each in refused.value.problems if said in str(each))
    assert problem.line == line
    assert problem.remedy
    assert "hunter2" not in str(refused.value)


def test_tables_of_the_pages_are_the_catalogues(tmp_path: Path) -> None:
    assert stale_pages(DOCS, load_catalog()) == []
    page = tmp_path / "reference" / "duckdb.md"
    page.parent.mkdir()
    text = (DOCS / "reference" / "duckdb.md").read_text()
    page.write_text(text.replace("exactly-once", "at-least-once", 1))
    assert stale_pages(tmp_path, load_catalog(), write=True) == [page]
    assert stale_pages(tmp_path, load_catalog()) == []
