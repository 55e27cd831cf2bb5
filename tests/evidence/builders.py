"""Evidence as an honest producer writes it: the material every test here starts from, then damages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from certification_pipeline.catalog.vocabulary import (
    Anomaly,
    Fidelity,
    Outcome,
    ReasonCode,
    Strategy,
    Support,
)
from certification_pipeline.evidence.artifact import Environment, Producer, Subject
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CellKey,
    CheckJudgement,
    Fingerprint,
    LoadEvidence,
    RowJudgement,
    ServiceUse,
)
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell, Selection
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir

RELEASE = "2024.11.19-r1"
ENGINE = "reference"
START = datetime(2024, 11, 19, 3, 41, tzinfo=UTC)
SUBJECT = Subject(engine=ENGINE, version="0.1.0", artifact_digest="sha256:" + "ab" * 32)
PRODUCER = Producer(version="0.1.0", git_revision="c0ffee" + "0" * 34, git_dirty=False)
ENVIRONMENT = Environment(python="3.11.7", platform="Linux-x86_64", cpu_count=2, memory_bytes=8 << 30)
CATALOG_DIGEST = "sha256:" + "cd" * 32
SEED, ROWS, PROFILE = 7, 100, "embedded"
EVERYTHING = Selection()


def provenance(minutes: float = 60, run_id: str = "run-1") -> Provenance:
    """Made ``minutes`` after the plan was sealed."""
    created_at = START + timedelta(minutes=minutes)
    return Provenance(run_id=run_id, created_at=created_at, producer=PRODUCER, environment=ENVIRONMENT)


def key(
    strategy: Strategy = Strategy.FULL_REFRESH, scenario: str = "batch.full_refresh", sink: str = "duckdb"
) -> CellKey:
    return CellKey(engine=ENGINE, source="postgres", sink=sink, strategy=strategy, scenario=scenario)


def planned(
    cell: CellKey,
    disposition: Literal["run", "inapplicable", "untested"] = "run",
    required: bool = True,
    reason: ReasonCode | None = None,
) -> PlannedCell:
    return PlannedCell(
        key=cell,
        scenario_version=1,
        rows=ROWS,
        seed=SEED,
        support=Support.FULL,
        required=required,
        disposition=disposition,
        reason=reason,
        detail="there is no ClickHouse here" if reason else None,
        remedy="set CERTIFY_CLICKHOUSE_DSN" if reason else None,
    )


def plan(
    cells: tuple[PlannedCell, ...], minutes: float = 0, selection: Selection = EVERYTHING
) -> CertificationPlan:
    return CertificationPlan(
        **provenance(minutes).header(CertificationPlan, RELEASE, SUBJECT, PROFILE),
        outcome=Outcome.PASSED,
        passed=True,
        catalog_digest=CATALOG_DIGEST,
        rows=ROWS,
        seed=SEED,
        selection=selection,
        cells=cells,
        plan_digest=CertificationPlan.digest_of(CATALOG_DIGEST, PROFILE, ENGINE, cells, selection),
    )


def row_judgement(step: str = "load 1", lost: int = 0) -> RowJudgement:
    expected = Fingerprint(rows=ROWS, digest="sha256:" + "11" * 32)
    actual = expected if not lost else Fingerprint(rows=ROWS - lost, digest="sha256:" + "22" * 32)
    return RowJudgement(
        step=step, expected=expected, actual=actual, anomalies={Anomaly.LOST: lost} if lost else {}
    )


def check(passes: bool = True) -> CheckJudgement:
    return CheckJudgement(step="load 2", name="loaded_rows", expected=10, observed=10 if passes else 11)


def cell(
    of_plan: CertificationPlan,
    where: PlannedCell,
    judgements: tuple[RowJudgement | CheckJudgement, ...] | None = None,
    minutes: float = 10,
    **changes: Any,
) -> CellEvidence:
    """Evidence of ``where``: by default two loads, judged and found right."""
    made = provenance(minutes, run_id=changes.pop("run_id", "run-1"))
    judgements = (row_judgement(), row_judgement("load 2"), check()) if judgements is None else judgements
    evidence = CellEvidence(
        **made.header(CellEvidence, of_plan.release_id, of_plan.subject, of_plan.profile),
        outcome=Outcome.UNTESTED,
        passed=False,
        key=where.key,
        scenario_version=where.scenario_version,
        plan_digest=of_plan.plan_digest,
        seed=where.seed,
        rows=where.rows,
        services=_services(where.key),
        loads=tuple(
            LoadEvidence(step=f"load {n}", run_id=f"load-{n}", ended="result", seconds=0.5) for n in (1, 2)
        ),
        judgements=judgements,
        started_at=made.created_at - timedelta(seconds=2),
        finished_at=made.created_at,
        seconds=2.0,
    ).model_copy(update=changes)
    outcome = evidence.recompute()
    return evidence.model_copy(update={"outcome": outcome, "passed": outcome is Outcome.PASSED})


def _services(where: CellKey) -> tuple[ServiceUse, ...]:
    return (
        ServiceUse(
            system=where.source, role="source", provider="pgserver", fidelity=Fidelity.REAL, version="18.1"
        ),
        ServiceUse(
            system=where.sink, role="sink", provider="embedded", fidelity=Fidelity.REAL, version="2.0.0"
        ),
    )


SMALL = (
    planned(key()),
    planned(key(Strategy.INCREMENTAL_MERGE, "incr.cursor_ties")),
    planned(
        key(Strategy.CDC, "strategy.cdc"), "inapplicable", required=False, reason=ReasonCode.NOT_DECLARED
    ),
    planned(key(sink="clickhouse"), "untested", required=False, reason=ReasonCode.SERVICE_UNAVAILABLE),
)
"""Two cells to run, one the engine does not claim, one nobody can reach here."""


def release(
    root: Path, cells: tuple[PlannedCell, ...] = SMALL, *, without: str | None = None
) -> tuple[SubjectDir, CertificationPlan]:
    """An honest release on disk up to its cells; ``without`` leaves one cell's evidence out."""
    directory = EvidenceStore(root).release(RELEASE, ENGINE)
    sealed = directory.seal_plan(plan(cells))
    for each in cells:
        if each.disposition == "run" and each.key.cell_id != without:
            directory.write(cell(sealed, each))
    return directory, sealed
