"""dlt without a network: what the cache holds is enough to prepare and run it; a cold one says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from tests.cli.conftest import Certify, certify

__all__ = ["certify"]

pytestmark = [pytest.mark.integration, pytest.mark.nightly]


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine without a network has: nobody answers, and uv is told."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.invalid/simple")


@pytest.mark.parametrize("engine", ["dlt", "dlt==1.31.0"])
def test_with_a_warm_cache_it_is_prepared_and_loads_rows(
    engine: str, certify: Certify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path / "cache"))
    warm = prepare(engine, load_catalog().engine(engine).driver)
    no_network(monkeypatch)
    # Nothing but our own cache: uv's is not needed any more.
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    again = prepare(engine, load_catalog().engine(engine).driver, pytest.fail)
    assert (again.command, again.artifact_digest) == (warm.command, warm.artifact_digest)
    cell = ("--route", "postgres_to_duckdb", "--strategy", "full_refresh", "--scenario", "batch.full_refresh")
    made = certify("run", "--engine", engine, *cell, "--rows", "300", "--release-id", "r1", "--no-report")
    assert "1 passed" in made.out, made.out + made.err
    (file,) = Path(".certification/releases/r1").joinpath(engine, "cells").glob("*.json")
    evidence = json.loads(file.read_text())
    assert evidence["passed"]
    assert evidence["subject"]["artifact_digest"] == warm.artifact_digest, "the digest is in every cell"


@pytest.mark.parametrize("engine", ["dlt", "dlt==1.31.0"])
def test_with_a_cold_cache_it_says_what_is_missing(
    engine: str, certify: Certify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with pytest.raises(EngineUnavailable, match="connect to the package index once"):
        prepare(engine, load_catalog().engine(engine).driver)
    cell = ("--route", "postgres_to_duckdb", "--strategy", "full_refresh", "--scenario", "batch.full_refresh")
    made = certify("run", "--engine", engine, *cell, "--rows", "300", "--no-report")
    assert made.code in (1, 3)
    assert "the engine's environment cannot be made here" in made.out
    assert "Traceback" not in made.out + made.err
