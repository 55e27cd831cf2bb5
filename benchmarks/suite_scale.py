"""How the suite grows with the number of cells: seconds at n and at 10 n, and their ratio.

    python -m benchmarks.suite_scale [--cells 10000]

Linear means a ratio near 10. The target (DESIGN section 14): the suite over 10 000 cells takes less than
a second after start-up. Every figure is the best of three, on a warm file cache.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.artifact import Subject, utc_now
from certification_pipeline.evidence.canonical import render
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CellKey,
    CheckJudgement,
    Fingerprint,
    LoadEvidence,
    RowJudgement,
    ServiceUse,
)
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.gates.certification_suite import certification_suite
from certification_pipeline.gates.decide import write_report

SUBJECT = Subject(engine="reference", version="0.1.0", artifact_digest="sha256:" + "ab" * 32)
DIGEST = "sha256:" + "cd" * 32
RECORD = {
    name: index for index, name in enumerate(("extracted_rows", "staged_rows", "loaded_rows", "final_rows"))
}


def planned_cells(count: int) -> tuple[PlannedCell, ...]:
    strategies = tuple(Strategy)
    return tuple(
        PlannedCell(
            key=CellKey(
                engine="reference",
                source="postgres",
                sink=f"sink{at // 1000}",
                strategy=strategies[at % len(strategies)],
                scenario=f"scale.s{at}",
            ),
            scenario_version=1,
            rows=10_000,
            seed=at,
            required=True,
            disposition="run",
        )
        for at in range(count)
    )


def evidence(plan: CertificationPlan, planned: PlannedCell) -> CellEvidence:
    now = utc_now()
    side = Fingerprint(rows=10_000, digest=DIGEST)
    rows = tuple(RowJudgement(step=f"load {n}", expected=side, actual=side, anomalies={}) for n in (1, 2, 3))
    checks = tuple(
        CheckJudgement(step="load 3", name=name, expected=0, observed=0) for name in ("inserted", "updated")
    )
    return CellEvidence(
        **stamp("run").header(CellEvidence, plan.release_id, SUBJECT, plan.profile),
        outcome=Outcome.PASSED,
        passed=True,
        key=planned.key,
        scenario_version=1,
        plan_digest=plan.plan_digest,
        seed=planned.seed,
        rows=planned.rows,
        services=tuple(
            ServiceUse.model_validate(
                {"system": system, "role": role, "provider": "p", "fidelity": "real", "version": "1"}
            )
            for role, system in (("source", planned.key.source), ("sink", planned.key.sink))
        ),
        loads=tuple(
            LoadEvidence(step=f"load {n}", run_id=f"l{n}", ended="result", record=dict(RECORD), seconds=0.1)
            for n in (1, 2, 3)
        ),
        judgements=(*rows, *checks),
        started_at=now,
        finished_at=now,
        seconds=0.5,
    )


def prepare(root: Path, count: int) -> SubjectDir:
    directory = EvidenceStore(root).release(f"scale-{count}", "reference")
    cells = planned_cells(count)
    plan = CertificationPlan(
        **stamp("run").header(CertificationPlan, directory.release_id, SUBJECT, "embedded"),
        outcome=Outcome.PASSED,
        passed=True,
        catalog_digest=DIGEST,
        rows=10_000,
        seed=1,
        cells=cells,
        plan_digest=CertificationPlan.digest_of(DIGEST, "embedded", "reference", cells),
    )
    directory.seal_plan(plan)
    (directory.path / "cells").mkdir()
    for planned in cells:  # without the store's fsync: what is measured is reading
        directory.cell_path(planned.key.cell_id).write_bytes(render(evidence(plan, planned)))
    return directory


def best_of_three(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of the quickest run; on a quiet machine they are the same."""
    seconds = []
    for _ in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(seconds)


def suite_over(directory: SubjectDir) -> None:
    suite = certification_suite(directory, stamp("run"), suite_id="scale")
    if not suite.passed:
        raise SystemExit(f"the suite is not green: {suite.blockers[:3]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    largest: int = parser.parse_args().cells
    root = Path(tempfile.mkdtemp(prefix="suite-scale-"))
    measured = {}
    try:
        for count in (largest // 10, largest):
            directory = prepare(root, count)
            write_report(directory, "run")
            measured[count] = best_of_three(partial(suite_over, directory))
            wall, processor = measured[count]
            each = processor / count * 1e6
            print(
                f"suite over {count:>6} cells: {wall:.3f} s wall, {processor:.3f} s CPU, {each:.0f} µs a cell"
            )
    finally:
        shutil.rmtree(root)
    (_, small), (_, large) = measured.values()
    print(f"10 x the cells takes {large / small:.1f} x the CPU time")


if __name__ == "__main__":
    main()
