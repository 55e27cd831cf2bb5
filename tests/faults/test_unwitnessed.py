"""A fault that did not happen leaves its cell open; one that has nothing to hit says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.families.matrix import cell_evidence
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults import clock, state
from certification_pipeline.harness.faults.clock import ClockSkew
from certification_pipeline.harness.faults.disk import FileSizeLimit
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.files import FileRecorder, KillAtFile
from certification_pipeline.harness.faults.process import AfterSeconds, AtPhase, AtRows, Kill, Pause
from certification_pipeline.harness.faults.state import StateCopy, StateCorrupt, StateLost, StateStale
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.worker import CellResult
from tests.evidence import builders
from tests.harness.conftest import Scenarios, Shop, catalog, oracle, planned, scenarios, shop

__all__ = ["catalog", "oracle", "scenarios", "shop"]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="faults on processes need /proc"),
]

ENGINE = """
def load(ask):
    out(type="phase", run_id=ask["run_id"], phase="load")
    open(ask["state_dir"] + "/cursor", "a").write("a round further\\n")
    result(ask)
serve(load)
"""
POINT = CrashPoint(number=1, medium="files", action="created", object="rows")


def run(shop: Shop, scenarios: Scenarios, fault: Callable[[Bench], Fault]) -> tuple[CellResult, Outcome]:
    """One load, and another under the fault, judged wrong on purpose."""

    def disturbed(bench: Bench) -> None:
        bench.seed("narrow")
        bench.load()
        made = fault(bench)
        bench.load()
        with bench.nemesis.disrupt(made):
            bench.load()
            bench.check("s", "a wrong row", 0, 1)

    scenarios(disturbed=disturbed)
    [result] = run_cells([planned("disturbed")], shop.open({"fake": ENGINE}), 1)
    return result, cell_evidence(builders.plan((result.planned,)), result, "run").recompute()


@pytest.mark.parametrize(
    "fault",
    [
        lambda _: Kill(AtPhase("never")),
        lambda _: Kill(AtRows(1)),
        lambda _: Kill(AfterSeconds(600)),
        lambda _: Pause(AtPhase("never"), 0.1),
        lambda _: FileSizeLimit(50_001),
        lambda _: StateLost(),
        lambda _: StateCorrupt(),
        lambda bench: StateStale(StateCopy.take(bench.state_dir)),
        lambda _: ClockSkew(3),
    ],
    ids=["kill", "kill at rows", "kill later", "pause", "disk", "lost", "corrupt", "stale", "clock"],
)
def test_what_did_not_happen_leaves_the_cell_open(
    shop: Shop, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: object
) -> None:
    monkeypatch.setattr(state, "_empty", lambda folder: None)
    monkeypatch.setattr(state, "_flip", lambda path, size, chance: 0)
    monkeypatch.setattr(state, "_copy", _only_aside(state._copy))
    (tmp_path / "libfaketime.so.1").write_bytes(b"")
    monkeypatch.setattr(clock, "library", lambda environ: tmp_path / "libfaketime.so.1")
    result, judged = run(shop, scenarios, fault)  # type: ignore[arg-type]
    assert [one.witness for one in result.faults] == [None], result.detail
    assert result.reason is ReasonCode.NO_WITNESS
    assert judged is Outcome.CANT_TELL


def _only_aside(copy: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """Copies are made, and nothing is put back."""
    return lambda source, target: copy(source, target) if source.name == "state" else None


@pytest.mark.parametrize("fault", [lambda _: FileRecorder(), lambda _: KillAtFile(POINT)])
def test_a_sink_without_files_has_none_to_disturb(shop: Shop, scenarios: Scenarios, fault: object) -> None:
    result, judged = run(shop, scenarios, fault)  # type: ignore[arg-type]
    assert result.reason is ReasonCode.NOTHING_TO_DISTURB
    assert judged is Outcome.INAPPLICABLE
