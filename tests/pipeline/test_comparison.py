"""Engines measured beside raw COPY in a real release."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.harness.cpu import TreeMemory
from certification_pipeline.harness.workshop import DEFECT_VARIABLE
from certification_pipeline.pipeline.comparison import compare_engines
from certification_pipeline.settings import RunSettings
from tests.pipeline.conftest import Run

pytestmark = pytest.mark.integration


def compare(evidence: Path, catalog: Catalog) -> object:
    settings = RunSettings(evidence_dir=evidence, release_id="r1")
    cancel = threading.Event()
    return compare_engines(
        settings, catalog, ("reference",), lambda _: None, cancel, rows=500, turns=3
    ).subjects[0]


@pytest.mark.nightly
def test_the_reference_engine_has_figures(run: Run, tmp_path: Path, catalog: Catalog) -> None:
    run(scenarios=("batch.full_refresh",), strategies=("full_refresh",))
    found = compare(tmp_path / "evidence", catalog)
    assert found.problem is None
    assert found.route_id == "postgres_to_postgres"
    assert len(found.turns) == 3
    assert found.wall.low > 0
    assert found.memory.low > 1 << 20


@pytest.mark.nightly
def test_an_engine_that_loads_wrong_rows_has_no_speed(
    run: Run, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEFECT_VARIABLE, "drop_last_batch")
    run(scenarios=("batch.full_refresh",), strategies=("full_refresh",))
    found = compare(tmp_path / "evidence", catalog)
    assert found.problem is not None
    assert "lost" in found.problem
    assert found.wall is None


def test_the_memory_of_children_counts() -> None:
    import subprocess

    body = "x = bytearray(80 << 20); x[::4096] = b'1' * len(x[::4096]); print('ready', flush=True); input()"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {body!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        with TreeMemory(process.pid) as memory:
            assert process.stdout.readline() == b"ready\n"
            threading.Event().wait(0.2)
        process.communicate(b"\n")
    assert memory.peak is not None
    assert memory.peak > 80 << 20
