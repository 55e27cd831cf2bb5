"""Replay evidence as an honest producer writes it, over the small release of ``tests.evidence.builders``."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import ReplayKind, Strategy, Support
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.evidence.replay import (
    REQUIRED_ASPECTS,
    Aspect,
    DeclaredReplay,
    ReplayEvidence,
    ReplayItem,
    ReplayJudgement,
    ReplayScope,
)
from certification_pipeline.evidence.replay_verdict import replay_evidence
from tests.evidence.builders import CATALOG_DIGEST, ROWS, SEED, SMALL, plan, provenance, row_judgement

MERGE = SMALL[1].key
DECLARED = (
    DeclaredReplay(
        source="postgres",
        sink="duckdb",
        strategy=Strategy.INCREMENTAL_MERGE,
        support={ReplayKind.WINDOW: Support.FULL, ReplayKind.RESUME: Support.PARTIAL},
    ),
)


def judgement(aspect: Aspect, passes: bool = True) -> ReplayJudgement:
    about_rows = aspect in (Aspect.INSIDE, Aspect.OUTSIDE, Aspect.IDEMPOTENT, Aspect.STATE)
    if about_rows:
        return ReplayJudgement(aspect=aspect, judgement=row_judgement(aspect, lost=0 if passes else 3))
    check = CheckJudgement(step=aspect, name="asked", expected="result", observed="result" if passes else "x")
    return ReplayJudgement(aspect=aspect, judgement=check)


def item(
    kind: ReplayKind = ReplayKind.WINDOW,
    *,
    red: Aspect | None = None,
    without: Aspect | None = None,
    run_id: str = "load-2",
    mode: str = "execute",
) -> ReplayItem:
    scope = ReplayScope(column="business_date", start="2024-05-23", stop="2024-05-26")
    aspects = [aspect for aspect in REQUIRED_ASPECTS[kind.action] if aspect is not without]
    return ReplayItem(
        kind=kind,
        action=kind.action,
        run_id=run_id,
        cell_id=MERGE.cell_id,
        source=MERGE.source,
        sink=MERGE.sink,
        strategy=MERGE.strategy,
        mode="plan" if mode == "plan" else "execute",
        scope=None if kind is ReplayKind.RESUME else scope,
        rows_in_scope=30,
        rows=ROWS,
        rebuilt_rows=ROWS,
        seed=SEED,
        operations=("rebuild", "replay", "judge"),
        judgements=() if mode == "plan" else tuple(judgement(a, a is not red) for a in aspects),
    ).recomputed()


def evidence(*items: ReplayItem, minutes: float = 30, mode: str = "execute") -> ReplayEvidence:
    return replay_evidence(
        plan(SMALL),
        DECLARED,
        items,
        provenance(minutes),
        mode="plan" if mode == "plan" else "execute",
        digest=CATALOG_DIGEST,
    )


def whole() -> ReplayEvidence:
    """All that is declared, and all of it right."""
    return evidence(item(), item(ReplayKind.RESUME))
