"""A command without code: psql behind a few lines of YAML keeps the protocol, and its cells are green."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_with
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.harness.engines.environment import prepare
from tests.cli.conftest import Certify, certify

__all__ = ["certify"]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "command"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The example, under a name of its own."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "engines" / "psql"))


def test_the_example_loads(home: Path) -> None:
    catalog = load_with((home / "engine.yaml",))
    found = catalog.engines["psql"]
    route = found.route("postgres", "postgres")
    assert route is not None
    assert route.strategies[Strategy.FULL_REFRESH].support is Support.FULL
    prepared = prepare("psql", found.driver)
    assert prepared.env["CERTIFY_ENGINE_ID"] == "psql"
    assert prepared.env["CERTIFY_ENGINE_HOME"] == str(home)
    argv = json.loads(prepared.env["CERTIFY_ENGINE_CONFIG"])["strategies"]["full_refresh"]["argv"]
    assert (home / argv[-1].removeprefix("{home}/")).is_file()


@pytest.mark.integration
@pytest.mark.nightly
def test_it_keeps_the_protocol(certify: Certify, home: Path) -> None:
    answer = certify("engine", "check", "psql", "--format", "json")
    checks = json.loads(answer.out)["checks"]
    assert [one for one in checks if one["outcome"] != "passed"] == []
    assert answer.code == 0


@pytest.mark.integration
@pytest.mark.nightly
def test_its_cells_are_green(certify: Certify, home: Path) -> None:
    ran = certify("run", "--engine", "psql", "--rows", "200", "--workers", "1")
    matrix = json.loads(certify("matrix", "--by", "cell", "--format", "json").out)
    judged = {one["scenario"]: one["outcome"] for one in matrix if one["outcome"] != "– untested"}
    assert {"strategy.full_refresh", "types.matrix", "ident.funky", "obs.counts", "obs.taxonomy"} <= set(
        judged
    )
    assert set(judged.values()) == {"✓ passed"}, judged
    assert ran.code == 0, ran.err
