"""An engine with a wrong clock: its record shows it, or there is no witness; no libfaketime, no test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.families.matrix import cell_evidence
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.faults import clock
from certification_pipeline.harness.faults.clock import LIBRARY_VARIABLE, ClockSkew, library
from certification_pipeline.harness.faults.fault import Facts, ToolMissing
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.shop import Workshop, solo
from tests.engines.conftest import request
from tests.evidence import builders
from tests.faults.arenas import Ring
from tests.harness.conftest import Scenarios, Shop, catalog, oracle, planned, scenarios, shop

__all__ = ["catalog", "oracle", "scenarios", "shop"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="libfaketime on Linux")

ENGINE = """
from datetime import datetime, timedelta, timezone
def load(ask):
    out(type="phase", run_id=ask["run_id"], phase="load")
    said = ask["selector"]
    wrong = timedelta(hours=float(said) if said[:1] in ("+", "-") else 0)
    record = dict(run_id=ask["run_id"], engine="e", engine_version="1",
                  started_at=(datetime.now(timezone.utc) + wrong).isoformat())
    out(type="result", run_id=ask["run_id"], record=record)
serve(load)
"""


@pytest.fixture
def opened(shop: Shop) -> Workshop:
    return shop.open({"fake": ENGINE})


@pytest.fixture
def ring(opened: Workshop, tmp_path: Path) -> Iterator[Ring]:
    """Plays with a process in whatever the fault wants it to be dressed."""
    sessions: list[EngineSession] = []

    class Dressing(Ring):
        def dress(self, environment: Mapping[str, str]) -> None:
            sessions.append(opened.session("fake", tmp_path, environment))
            self.session = sessions[-1]

        def arena(self):  # type: ignore[no-untyped-def]
            return replace(super().arena(), dress=self.dress)

    yield Dressing()
    for session in sessions:
        session.close()


def play(ring: Ring, fault: ClockSkew, selector: str = "") -> Facts | None:
    seen: list[Facts | None] = []
    with ring.disrupt(fault, seen):
        session = ring.session
        assert session is not None
        fault.begin(session)
        session.load(request(selector=selector), timeout=30, on_event=lambda e: fault.hear(session, e))
    return seen[0]


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that deceives nobody: any shared library will do."""
    monkeypatch.setenv(LIBRARY_VARIABLE, "/nowhere")


def test_a_named_library_that_is_not_there(no_library: None) -> None:
    with pytest.raises(ToolMissing) as missing:
        library(os.environ)
    assert LIBRARY_VARIABLE in missing.value.remedy


def test_no_library_at_all_is_untested_with_a_remedy(
    opened: Workshop, scenarios: Scenarios, no_library: None
) -> None:
    def skewed(bench: Bench) -> None:
        bench.seed("narrow")
        with bench.nemesis.disrupt(ClockSkew(3)):
            bench.load()

    scenarios(skewed=skewed)
    [result] = run_cells([planned("skewed")], opened, 1)
    assert result.reason is ReasonCode.SERVICE_UNAVAILABLE
    assert result.remedy
    assert judged(result) is Outcome.UNTESTED


@pytest.mark.parametrize("selector", ["", "+3"])
def test_a_clock_that_was_not_skewed_is_no_witness(
    ring: Ring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selector: str
) -> None:
    """The second says the time that was planned, without having been deceived."""
    harmless = tmp_path / "libfaketime.so.1"
    harmless.write_bytes(b"")
    monkeypatch.setattr(clock, "library", lambda environ: harmless)
    assert play(ring, ClockSkew(3), selector) is None


def test_a_skew_that_cannot_be_told_from_a_slow_start_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ClockSkew(0.5)


def judged(result: object) -> Outcome:
    return cell_evidence(builders.plan((result.planned,)), result, "run").recompute()  # type: ignore[attr-defined, arg-type]


# --- with libfaketime, which is built where the system has none -----------------------------------------


@pytest.fixture
def deceiving() -> Path:
    try:
        return library(os.environ)
    except ToolMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.nightly
@pytest.mark.parametrize("hours", [5, -26])
def test_the_record_says_the_wrong_time(ring: Ring, deceiving: Path, hours: int) -> None:
    seen = play(ring, ClockSkew(hours))
    assert seen is not None
    assert seen["processes"] == 1
    assert ring.session is not None
    assert list(Path("/dev/shm").glob(f"*faketime*_{ring.session.pid}")) == []
    assert play(ring, ClockSkew(hours), "+9") is None, "it says another wrong time than was planned"


@pytest.mark.nightly
def test_only_the_disrupted_load_is_deceived(opened: Workshop, deceiving: Path) -> None:
    cell: PlannedCell = planned("n00")
    with solo(opened, cell) as bench:
        bench.seed("narrow")
        bench.load()
        usual = bench.engine_at_work().pid
        with bench.nemesis.disrupt(ClockSkew(30)):
            bench.load()
            assert bench.engine_at_work().pid != usual
        bench.load()
        assert bench.engine_at_work().pid == usual
        assert bench.faults[0].witness is not None
