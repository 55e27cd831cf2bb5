"""A release as a real one could be: two engines, four routes that ran, the seeds' matrix, several defects."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.engines import DriverSpec, Engine
from certification_pipeline.catalog.matrix import MatrixPairs, MatrixRule
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.systems import System
from certification_pipeline.catalog.vocabulary import (
    Anomaly,
    Fidelity,
    Outcome,
    ReasonCode,
    Strategy,
    Support,
)
from certification_pipeline.evidence.artifact import Environment, Producer, Subject
from certification_pipeline.evidence.attempts import carry_attempts
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CellKey,
    CheckJudgement,
    Fingerprint,
    LoadEvidence,
    RowJudgement,
    RowSample,
    ServiceUse,
)
from certification_pipeline.evidence.errors import Problem, ProblemKind
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import CellFile
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.report.release import ReleaseView, SubjectView, subject_view

LATER = datetime(2025, 6, 5, 10, 30, tzinfo=UTC)
NOW = datetime(2025, 6, 5, 9, 30, tzinfo=UTC)
RELEASE = "2026.06.05-rc1"
SINKS = ("postgres", "duckdb", "sqlite", "parquet")
VERSIONS = {"postgres": "18.1", "duckdb": "1.4.2", "sqlite": "3.50.4", "parquet": "pyarrow 21.0"}
ROWS, SEED = 10_000, 20_260_605

PROVENANCE = Provenance(
    run_id="1c1e7f7e-5d3b-4b7f-9d5e-2f7a3f1c9a10",
    created_at=LATER,
    producer=Producer(version="0.1.0"),
    environment=Environment(python="3.11.7", platform="Linux-x86_64", cpu_count=2),
)

PER_STRATEGY = ("strategy.semantics", "idem.rerun", "obs.counts")
ONLY = {
    "batch.empty": (Strategy.FULL_REFRESH,),
    "batch.wide": (Strategy.FULL_REFRESH,),
    "types.matrix": (Strategy.FULL_REFRESH, Strategy.INCREMENTAL_MERGE),
    "ident.funky": (Strategy.FULL_REFRESH,),
    "incr.cursor_ties": (Strategy.INCREMENTAL_APPEND, Strategy.INCREMENTAL_MERGE),
    "incr.null_cursor": (Strategy.INCREMENTAL_APPEND, Strategy.INCREMENTAL_MERGE, Strategy.XMIN),
    "schema.add": (Strategy.FULL_REFRESH, Strategy.INCREMENTAL_MERGE),
    "schema.widen": (Strategy.FULL_REFRESH, Strategy.INCREMENTAL_MERGE),
    "obs.taxonomy": (Strategy.FULL_REFRESH,),
}
DLT = (
    Strategy.FULL_REFRESH,
    Strategy.INCREMENTAL_APPEND,
    Strategy.INCREMENTAL_MERGE,
    Strategy.SCD2,
    Strategy.REPLACE,
)


def make_catalog() -> Catalog:
    """Small, but shaped like the shipped one; its seeds' matrix has the 237 cases."""
    systems = (
        "postgres",
        "duckdb",
        "sqlite",
        "parquet",
        "mssql",
        "mysql",
        "clickhouse",
        "api",
        "kafka",
        "bigquery",
    )
    five = (Strategy.FULL_REFRESH, Strategy.REPLACE, Strategy.INCREMENTAL_APPEND, Strategy.INCREMENTAL_MERGE)
    rules = {strategy: MatrixRule() for strategy in (*five, Strategy.SNAPSHOT_DIFF)}
    rules |= {
        s: MatrixRule(not_sinks=("kafka",))
        for s in (Strategy.PARTITION_REPLACE, Strategy.SCD2, Strategy.BACKFILL)
    }
    rules |= {
        Strategy.CDC: MatrixRule(sources=("postgres", "mssql")),
        Strategy.XMIN: MatrixRule(sources=("postgres",)),
    }
    return Catalog(
        systems={
            name: System(id=name, title=name, remedy=f"set CERTIFY_{name.upper()}_DSN") for name in systems
        },
        engines={
            "reference": _engine(
                "reference",
                "Reference engine",
                "Staged, stateful and small; certified like any other.",
                tuple(Strategy),
            ),
            "dlt": _engine(
                "dlt", "dlt", "Python library for loading data, run with its sql_database source.", DLT
            ),
        },
        scenarios={name: _scenario(name) for name in (*PER_STRATEGY, *ONLY)},
        profiles={
            "embedded": Profile(
                id="embedded",
                title="Embedded",
                seed_name="mock_contract",
                description="Nothing but pip.",
                systems=SINKS,
                engines=("reference", "dlt"),
            )
        },
        matrix=MatrixPairs(
            sources=("postgres", "mssql", "mysql", "clickhouse", "api", "kafka"),
            sinks=("mssql", "postgres", "clickhouse", "bigquery", "kafka"),
            strategies=rules,
        ),
        types={},
        policies={},
    )


def make_release() -> ReleaseView:
    """Reference is green; dlt has planted defects, a flaky pass, a bench failure and gaps."""
    return ReleaseView(RELEASE, (make_subject("dlt"), make_subject("reference")))


def make_subject(engine: str) -> SubjectView:
    """One engine's plan, its cells, and what the gates say about them."""
    plan = make_plan(engine)
    return judge(plan, {cell.key.cell_id: cell for cell in make_cells(plan)})


def judge(plan: CertificationPlan, cells: dict[str, CellEvidence]) -> SubjectView:
    """Have the real matrix gate decide; its report stands in for the release summary above it."""
    files = [
        CellFile(planned, f"cells/{planned.key.cell_id}.json", *_content(planned, cells))
        for planned in plan.cells
    ]
    report = certification_report(plan, files, PROVENANCE, plan_sha256="sha256:" + "aa" * 32)
    return subject_view(plan, report, cells, report)


def _content(
    planned: PlannedCell, cells: dict[str, CellEvidence]
) -> tuple[CellEvidence | Problem, str | None]:
    if cell := cells.get(planned.key.cell_id):
        return cell, "sha256:" + "bb" * 32
    kind = ProblemKind.MISSING if planned.disposition == "run" else ProblemKind.NOT_RUN
    return Problem(
        kind, "cells/x.json", None, planned.detail or "nothing was recorded", planned.remedy or "Run the cell"
    ), None


def make_plan(engine: str, takes: Callable[[PlannedCell], bool] = lambda cell: True) -> CertificationPlan:
    """Cells that run on this machine, and the seeds' cases that cannot."""
    cells = [cell for cell in (*_reachable(engine), *_unreachable(engine)) if takes(cell)]
    digest = "sha256:" + "c4" * 32
    return CertificationPlan(
        **header("certification_automation_plan", engine),
        catalog_digest=digest,
        rows=ROWS,
        seed=SEED,
        cells=tuple(cells),
        plan_digest=CertificationPlan.digest_of(digest, "embedded", engine, cells),
    )


def make_cells(plan: CertificationPlan) -> Iterator[CellEvidence]:
    """Evidence of every cell to run, in which dlt's defects show."""
    random_ = random.Random(7)
    for planned in plan.cells:
        if planned.disposition != "run":
            continue
        seconds = round(random_.lognormvariate(-0.9, 0.55), 3)
        yield _defects(make_cell(plan, planned, seconds=seconds))


def make_cell(
    plan: CertificationPlan, planned: PlannedCell, seconds: float = 0.5, **changes: object
) -> CellEvidence:
    """A cell that passed: two loads, each judged."""
    rows = planned.rows
    loads = tuple(
        LoadEvidence(
            step="load 1" if n == 1 else f"load {n}, after change round {n - 1}",
            run_id=f"run-{n}",
            ended="result",
            record={"extracted_rows": rows, "staged_rows": rows, "loaded_rows": rows, "final_rows": rows},
            seconds=round(seconds / 3, 3),
        )
        for n in (1, 2)
    )
    same = Fingerprint(rows=rows, digest="a1" * 16)
    judgements = tuple(
        RowJudgement(step=f"after load {n}", expected=same, actual=same, anomalies={}) for n in (1, 2)
    )
    system = planned.key.sink
    fields: dict[str, object] = {
        **header("cell", plan.subject.engine),
        "key": planned.key,
        "scenario_version": 1,
        "plan_digest": plan.plan_digest,
        "seed": SEED,
        "rows": rows,
        "services": (
            ServiceUse(
                system="postgres",
                role="source",
                provider="pgserver-wheel",
                fidelity=Fidelity.REAL,
                version="18.1",
            ),
            ServiceUse(
                system=system,
                role="sink",
                provider="embedded" if system != "postgres" else "pgserver-wheel",
                fidelity=Fidelity.REAL,
                version=VERSIONS[system],
            ),
        ),
        "loads": loads,
        "judgements": judgements,
        "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=seconds),
        "seconds": seconds,
    }
    return carry_attempts(None, CellEvidence.model_validate(fields | changes))


def rows_judged(
    step: str, anomalies: dict[Anomaly, int], columns: dict[str, int], *samples: RowSample, lost: int = 0
) -> RowJudgement:
    """A failed comparison."""
    return RowJudgement(
        step=step,
        expected=Fingerprint(rows=ROWS, digest="a1" * 16),
        actual=Fingerprint(rows=ROWS - lost, digest="b2" * 16),
        anomalies=anomalies,
        columns=columns,
        samples=samples,
    )


def changed(cell: CellEvidence, **changes: object) -> CellEvidence:
    """The same cell with other facts, its outcome recomputed."""
    return carry_attempts(None, CellEvidence.model_validate({**dict(cell), **changes}))


def header(kind: str, engine: str) -> dict[str, object]:
    """The common header of an artifact made for tests."""
    return {
        "schema_version": f"certification_pipeline.{kind}.v1",
        "release_id": RELEASE,
        "run_id": "0f0e7f7e-5d3b-4b7f-9d5e-2f7a3f1c9a10",
        "created_at": NOW,
        "producer": Producer(version="0.1.0", git_revision="4f1d2c3b5a69788796a5b4c3d2e1f00112233445"),
        "environment": Environment(
            python="3.11.7", platform="Linux-x86_64", cpu_count=2, memory_bytes=25 << 30
        ),
        "subject": Subject(
            engine=engine,
            version={"dlt": "1.20.0"}.get(engine, "0.1.0"),
            artifact_digest="sha256:" + {"dlt": "9d"}.get(engine, "5e") * 32,
        ),
        "profile": "embedded",
        "outcome": Outcome.UNTESTED,
        "passed": False,
    }


def _defects(cell: CellEvidence) -> CellEvidence:  # noqa: PLR0911 - one return a defect
    if cell.key.engine != "dlt":
        return cell
    key = cell.key
    match key.scenario, key.strategy, key.sink:
        case "types.matrix", _, "duckdb" | "parquet":
            return changed(cell, judgements=(_lost_scale(), cell.judgements[1]))
        case "incr.cursor_ties", Strategy.INCREMENTAL_APPEND, _:
            return changed(cell, judgements=(cell.judgements[0], _lost_ties()))
        case "batch.wide", _, "sqlite":
            return changed(cell, judgements=(_mangled_text(), cell.judgements[1]))
        case "obs.taxonomy", _, _:
            check = CheckJudgement(
                step="load 2", name="load_ended", expected="error: authentication", observed="error: internal"
            )
            said = 'PipelineStepFailed: FATAL:  password authentication failed for user "source"\n<cut>'
            loads = (
                cell.loads[0],
                cell.loads[1].model_copy(
                    update={"step": "load 2", "ended": "error", "message": said, "record": None}
                ),
            )
            return changed(cell, loads=loads, judgements=(cell.judgements[0], check))
        case "obs.counts", Strategy.SCD2, "postgres":
            record = {"loaded_rows": 9_800, "final_rows": 9_800, "extracted_rows": 10_000}
            check = CheckJudgement(step="load 2", name="final_rows", expected=10_000, observed=9_800)
            loads = (cell.loads[0], cell.loads[1].model_copy(update={"record": record}))
            return changed(cell, loads=loads, judgements=(*cell.judgements, check))
        case "idem.rerun", Strategy.SCD2, "sqlite":
            return changed(
                cell,
                reason=ReasonCode.HARNESS_ERROR,
                detail="the oracle could not open the sink: database is locked",
                remedy="run the cell again; if it stays, report it with the cell's file",
                judgements=(),
            )
        case _:
            return cell


def _lost_scale() -> RowJudgement:
    return rows_judged(
        "after load 1",
        {Anomaly.CORRUPT: 9_312},
        {"amount": 9_204, "payload": 108},
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={"id": "17"},
            column="amount",
            expected="-4821.0937500000",
            actual="-4821.093750000",
        ),
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={"id": "4211"},
            column="amount",
            expected="99999999999999999999999999.9999999999",
            actual="1e+26",
        ),
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={"id": "88"},
            column="payload",
            expected='{"a":1,"b":[null,2]}',
            actual='{"a":1,"b":[null,2.0]}',
        ),
    )


def _lost_ties() -> RowJudgement:
    return rows_judged(
        "after load 2",
        {Anomaly.LOST: 37},
        {},
        RowSample(anomaly=Anomaly.LOST, key={"id": "10003", "updated_at": "2026-03-29T01:59:59.999999Z"}),
        RowSample(anomaly=Anomaly.LOST, key={"id": "10019", "updated_at": "2026-03-29T01:59:59.999999Z"}),
        lost=37,
    )


def _mangled_text() -> RowJudgement:
    return rows_judged(
        "after load 1",
        {Anomaly.CORRUPT: 412, Anomaly.LOST: 3},
        {"note": 409, "label": 3},
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={"id": "9"},
            column="note",
            expected="crème brûlée 🍮\nsecond line",
            actual="crème brûlée 🍮 second line",
        ),
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={"id": "73"},
            column="note",
            expected="👩‍👩‍👧‍👦 family",
            actual="👩👩👧👦 family",
        ),
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={"id": "120"},
            column="note",
            expected="<script>alert('x')</script>",
            actual=None,
        ),
        RowSample(anomaly=Anomaly.CORRUPT, key={"id": "511"}, column="label", expected="", actual="NULL"),
        RowSample(anomaly=Anomaly.LOST, key={"id": "9999"}),
        lost=3,
    )


def _reachable(engine: str) -> Iterator[PlannedCell]:
    for sink in SINKS:
        for strategy in Strategy:
            names = [*PER_STRATEGY, *(name for name, where in ONLY.items() if strategy in where)]
            for scenario in names:
                key = CellKey(
                    engine=engine, source="postgres", sink=sink, strategy=strategy, scenario=scenario
                )
                if engine == "dlt" and strategy not in DLT:
                    yield _planned(
                        key,
                        "inapplicable",
                        ReasonCode.NOT_DECLARED,
                        f"dlt does not claim {strategy.value}",
                        None,
                    )
                else:
                    yield _planned(key, "run", None, None, None)


def _unreachable(engine: str) -> Iterator[PlannedCell]:
    matrix = make_catalog().matrix
    for source in matrix.sources:
        for sink in matrix.sinks:
            if (source, sink) == ("postgres", "postgres"):
                continue
            missing = source if source != "postgres" else sink
            for strategy, rule in matrix.strategies.items():
                if (rule.sources is None or source in rule.sources) and sink not in rule.not_sinks:
                    key = CellKey(
                        engine=engine,
                        source=source,
                        sink=sink,
                        strategy=strategy,
                        scenario="strategy.semantics",
                    )
                    detail, remedy = (
                        f"{missing}: no DSN, no Docker",
                        f"set CERTIFY_{missing.upper()}_DSN, or start Docker",
                    )
                    yield _planned(key, "untested", ReasonCode.SERVICE_UNAVAILABLE, detail, remedy)


def _planned(
    key: CellKey, disposition: str, reason: ReasonCode | None, detail: str | None, remedy: str | None
) -> PlannedCell:
    return PlannedCell.model_validate(
        {
            "key": key,
            "scenario_version": 1,
            "rows": ROWS,
            "seed": SEED,
            "support": Support.FULL if disposition == "run" else None,
            "required": disposition == "run",
            "disposition": disposition,
            "reason": reason,
            "detail": detail,
            "remedy": remedy,
        }
    )


def _engine(name: str, title: str, description: str, strategies: tuple[Strategy, ...]) -> Engine:
    claims = {strategy: Claim(support=Support.FULL) for strategy in strategies}
    return Engine(
        id=name,
        title=title,
        description=description,
        driver=DriverSpec(command=("true",)),
        routes=tuple(RouteClaims(source="postgres", sink=sink, strategies=claims) for sink in SINKS),
    )


def _scenario(name: str) -> Scenario:
    return Scenario(
        id=name,
        version=1,
        title=f"The {name.partition('.')[2].replace('_', ' ')} case",
        purpose="Rows that share one cursor value are neither lost nor loaded twice.",
        method="Loads, adds rows at exactly the high-water mark, loads again; reads the sink each time.",
        passes_when="The sink equals the reference model after every load, row by row and value by value.",
        remedy="Look at how the engine compares the cursor with its mark: '>' loses ties, '>=' needs a key.",
        strategies=ONLY.get(name, tuple(Strategy)),
        proves="beta",
    )
