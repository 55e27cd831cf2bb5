"""Engines outside the package: found, held to the same as the packaged ones, and told apart."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.catalog.problems import CatalogError

ENTRY = """\
    title: Mine
    description: of my own
    driver:
      command: [./driver.sh]
    routes:
      - source: postgres
        sink: sqlite
        strategies:
          full_refresh: Full
    rest_of_matrix: NotImplemented
    """


def write(directory: Path, name: str = "mine", text: str = ENTRY) -> Path:
    path = directory / name / "engine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(dedent(text))
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "engines"


def test_an_engine_in_the_folder_engines_is_in_the_catalogue(place: Path) -> None:
    before = load_catalog()
    path = write(place)
    after = load_catalog()
    assert set(after.engines) - set(before.engines) == {"mine"}
    assert after.engines["mine"].driver.home == path.parent
    assert after.engines["mine"].route("mysql", "postgres"), "rest_of_matrix is written out"


def test_the_variable_names_another_directory(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, "here")
    write(tmp_path / "elsewhere", "there")
    monkeypatch.setenv("CERTIFY_ENGINES_DIR", str(tmp_path / "elsewhere"))
    assert "there" in load_catalog().engines
    assert "here" not in load_catalog().engines


def test_a_variable_that_names_no_directory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_ENGINES_DIR", "/no/such/engines")
    with pytest.raises(CatalogError, match="CERTIFY_ENGINES_DIR"):
        load_catalog()


def test_an_edited_entry_is_read_again_and_a_removed_one_is_gone(place: Path) -> None:
    path = write(place)
    assert load_catalog().engines["mine"].title == "Mine"
    path.write_text(path.read_text().replace("title: Mine", "title: Yours, now"))
    assert load_catalog().engines["mine"].title == "Yours, now"
    shutil.rmtree(place)
    assert "mine" not in load_catalog().engines


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("reference", ENTRY, "there is an engine `reference` already"),
        ("My Engine", ENTRY, "cannot be an engine's id"),
        ("mine", ENTRY.replace("full_refresh", "full_refersh"), "full_refersh"),
        ("mine", ENTRY.replace("sink: sqlite", "sink: sqlight"), "no system `sqlight`"),
        ("mine", ENTRY.replace("title:", "tilte:"), "tilte"),
        ("mine", "", "is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(place: Path, name: str, text: str, says: str) -> None:
    path = write(place, name, text)
    with pytest.raises(CatalogError) as caught:
        load_catalog()
    assert says in str(caught.value)
    assert f"{path}:" in str(caught.value)


def test_the_others_plans_do_not_change_by_an_engine_of_ones_own(place: Path) -> None:
    before = load_catalog()
    path = write(place)
    after = load_catalog()
    assert catalog_digest(after, "reference") == catalog_digest(before, "reference") == catalog_digest(before)
    mine = catalog_digest(after, "mine")
    assert mine != catalog_digest(after, "reference")
    path.write_text(path.read_text().replace("of my own", "of my very own"))
    assert catalog_digest(load_catalog(), "mine") != mine


def test_where_it_lies_is_not_part_of_what_it_is(place: Path, tmp_path: Path) -> None:
    write(place)
    here = catalog_digest(load_catalog(), "mine")
    (tmp_path / "away").mkdir()
    shutil.move(place, tmp_path / "away" / "engines")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "away")
        assert catalog_digest(load_catalog(), "mine") == here
