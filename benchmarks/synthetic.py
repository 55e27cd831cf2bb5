"""Evidence of any size that is true to its schemas: what an honest run of nothing would have written.

Written without the store's fsync: what benchmarks measure is reading and deciding.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.artifact import Subject
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
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import Provenance, stamp
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.gates import chain
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.certification_suite import certification_suite, suite_index
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.release_summary import release_summary
from certification_pipeline.gates.verification import read_plan

ENGINE = "reference"
SUBJECT = Subject(engine=ENGINE, version="0.1.0", artifact_digest="sha256:" + "ab" * 32)
DIGEST = "sha256:" + "cd" * 32
START = datetime(2024, 1, 1, 2, 17, tzinfo=UTC)
RECORD = {
    name: index for index, name in enumerate(("extracted_rows", "staged_rows", "loaded_rows", "final_rows"))
}


def planned_cells(count: int) -> tuple[PlannedCell, ...]:
    strategies = tuple(Strategy)
    return tuple(
        PlannedCell(
            key=CellKey(
                engine=ENGINE,
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


def evidence(plan: CertificationPlan, planned: PlannedCell, made: Provenance) -> CellEvidence:
    side = Fingerprint(rows=10_000, digest=DIGEST)
    rows = tuple(RowJudgement(step=f"load {n}", expected=side, actual=side, anomalies={}) for n in (1, 2, 3))
    checks = tuple(
        CheckJudgement(step="load 3", name=name, expected=0, observed=0) for name in ("inserted", "updated")
    )
    return CellEvidence(
        **made.header(CellEvidence, plan.release_id, SUBJECT, plan.profile),
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
        started_at=made.created_at,
        finished_at=made.created_at,
        seconds=0.5,
    )


def at(moment: datetime) -> Provenance:
    """Ours, at that time."""
    return stamp("run").model_copy(update={"created_at": moment})


def cells_of(root: Path, release_id: str, count: int, day: int = 0) -> SubjectDir:
    """A sealed plan with evidence of every cell, made on that day."""
    directory = EvidenceStore(root).release(release_id, ENGINE)
    made = at(START + timedelta(days=day))
    cells = planned_cells(count)
    plan = CertificationPlan(
        **made.header(CertificationPlan, release_id, SUBJECT, "embedded"),
        outcome=Outcome.PASSED,
        passed=True,
        catalog_digest=DIGEST,
        rows=10_000,
        seed=1,
        cells=cells,
        plan_digest=CertificationPlan.digest_of(DIGEST, "embedded", ENGINE, cells),
    )
    with no_fsync():
        directory.seal_plan(plan)
    (directory.path / "cells").mkdir()
    later = at(made.created_at + timedelta(minutes=10))
    for planned in cells:
        directory.cell_path(planned.key.cell_id).write_bytes(render(evidence(plan, planned, later)))
    return directory


def decide(directory: SubjectDir, day: int = 0) -> dict[str, float]:
    """Report, suite, index, chain, summary, as of that day; CPU milliseconds: ``whole``, and ``append``."""
    began = time.process_time()
    with no_fsync():
        sealed = read_plan(directory)
        moment = START + timedelta(days=day, minutes=60)
        cells = directory.scan(sealed.plan)
        directory.write(
            certification_report(sealed.plan, cells, at(moment), plan_sha256=sealed.sha256), "page\n"
        )
        verifiers = VERIFIERS.remembering()
        now = at(moment + timedelta(minutes=1))
        suite = directory.write(
            certification_suite(directory, now, suite_id="scale", verifiers=verifiers), "page\n"
        )
        digest = directory.read_with_digest(directory.suite_path, CertificationSuite)[1]
        directory.write(suite_index(None, suite, digest, now), "page\n")
        directory.write(artifact_index(directory, at(moment + timedelta(minutes=2))), "page\n")
        before = time.process_time()
        chain.append(EvidenceStore.holding(directory), directory, at(moment + timedelta(minutes=3)))
        append = time.process_time() - before
        decided = release_summary(directory, at(moment + timedelta(minutes=4)), kept=True)
        directory.write(decided, markdown(decided))
        EvidenceStore.holding(directory).set_latest(directory.release_id)
    return {"append": append * 1000, "whole": (time.process_time() - began) * 1000}


@contextmanager
def no_fsync() -> Iterator[None]:
    """Nothing here must survive a crash."""
    kept, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = kept
