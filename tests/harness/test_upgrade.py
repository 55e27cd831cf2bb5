"""The release before: whose state is taken over, and what is said when it cannot be had."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode, Strategy
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.environment import EngineUnavailable
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.scenarios import compat
from tests.harness.conftest import Stage, outcome, red

pytestmark = pytest.mark.integration

SLOW = """
import subprocess, sys, time
engine = subprocess.Popen([sys.executable, sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
loads = 0
for line in sys.stdin.buffer:
    loads += b'"type":"load"' in line
    if loads == 2:
        time.sleep(60)  # the load that is killed
    engine.stdin.write(line); engine.stdin.flush()
    answer = b'"type": "phase"'
    while b'"type": "phase"' in answer:
        answer = engine.stdout.readline()
        sys.stdout.buffer.write(answer); sys.stdout.buffer.flush()
"""


@contextmanager
def upgraded(
    stage: Stage, earlier: Callable[[], EngineSession] | None, previous: str = "1"
) -> Iterator[Bench]:
    bench = stage.bench("compat.upgrade", Strategy.INCREMENTAL_APPEND)
    engine = bench.station.engine.model_copy(update={"previous": previous})
    bench = Bench(replace(bench.station, engine=engine, earlier=earlier))
    try:
        yield bench
    finally:
        stage.fault("")
        bench.close()


def before(stage: Stage, folder: Path) -> Callable[[], EngineSession]:
    """The copy engine as it was: never wrong, and slow in its second load."""
    engine = Path(__file__).with_name("copy_engine.py")
    return lambda: EngineSession(
        [sys.executable, "-c", SLOW, str(engine)],
        env={"PATH": "/usr/bin:/bin"},
        cwd=folder,
        log_path=folder / "before.log",
        redactor=stage.redactor,
    )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", Outcome.PASSED),
        ("forgets", Outcome.FAILED),
        pytest.param("lose_ties", Outcome.FAILED, marks=pytest.mark.nightly),
    ],
)
def test_a_release_that_cannot_go_on_is_red(
    stage: Stage, tmp_path: Path, fault: str, expected: Outcome
) -> None:
    with upgraded(stage, before(stage, tmp_path)) as bench:
        stage.fault(fault)
        compat.upgrade(bench)
        assert outcome(bench) is expected, red(bench)
        assert [fault.witness is not None for fault in bench.faults] == [True, True]
        wrong = {anomaly for j in bench.judgements if j.kind == "rows" for anomaly in j.anomalies}
        assert wrong == {"": set(), "forgets": {Anomaly.DUPLICATE}, "lose_ties": {Anomaly.LOST}}[fault]


def test_another_version_than_the_one_named_proves_nothing(stage: Stage, tmp_path: Path) -> None:
    with upgraded(stage, before(stage, tmp_path), previous="0.9") as bench:
        with pytest.raises(Halt) as halt:
            compat.upgrade(bench)
        assert halt.value.reason is ReasonCode.NO_WITNESS
        assert bench.faults[-1].witness is None


def test_a_release_that_cannot_be_installed_leaves_the_cell_untested(stage: Stage) -> None:
    def absent() -> EngineSession:
        raise EngineUnavailable("fake==1: no such package", "connect")

    with upgraded(stage, absent) as bench:
        with pytest.raises(Halt) as halt:
            compat.upgrade(bench)
        assert (halt.value.reason, halt.value.remedy) == (ReasonCode.DRIVER_MISSING, "connect")
        assert bench.judgements == []
