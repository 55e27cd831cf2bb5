"""From assessed targets to the artifact: which targets there must be, the blockers, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from certification_pipeline.catalog.vocabulary import Outcome, Strategy, Support
from certification_pipeline.evidence.artifact import Blocker, Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.dbt.assess import assess, distinct
from certification_pipeline.evidence.dbt.columns import parser_version
from certification_pipeline.evidence.dbt.events import events_of
from certification_pipeline.evidence.dbt.findings import Finding
from certification_pipeline.evidence.dbt_lineage import DbtLineage, DbtTarget, EventsFile, LeftOut
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance

SOURCE = "postgres"
TARGETS = ("duckdb", "postgres")
"""Systems that are a sink of ours and have a dbt adapter that pip installs."""

STRATEGIES = (Strategy.SNAPSHOT_DIFF, Strategy.INCREMENTAL_MERGE, Strategy.FULL_REFRESH)
"""The first that is claimed is used: dbt's incremental model and snapshot need updates to arrive."""

_TESTABLE = frozenset({Support.FULL, Support.PARTIAL})
_EMBEDDED = "embedded"


def strategy_for(plan: CertificationPlan, target: str) -> Strategy | None:
    """The strategy that lands dbt's table; ``None`` when the plan has none to offer."""
    claimed = {
        cell.key.strategy
        for cell in plan.cells
        if (cell.key.source, cell.key.sink) == (SOURCE, target) and cell.support in _TESTABLE
    }
    return next((strategy for strategy in STRATEGIES if strategy in claimed), None)


def left_out(plan: CertificationPlan) -> tuple[LeftOut, ...]:
    """Targets that this engine or profile is not asked for."""
    out = []
    for target in TARGETS:
        if strategy_for(plan, target) is None:
            claimed = " or ".join(STRATEGIES)
            why = f"the plan has no claim of {claimed} on {SOURCE}_to_{target}"
            out.append(LeftOut(target=target, why=why))
        elif plan.profile == _EMBEDDED and target != TARGETS[0]:
            why = "to keep the run short; `local` and `live` build it there too"
            out.append(LeftOut(target=target, why=why))
    return tuple(out)


def dbt_lineage(
    plan: CertificationPlan,
    provenance: Provenance,
    *,
    source: Literal["executed", "given"],
    seen: Sequence[DbtTarget],
    content: Mapping[str, bytes],
    tool_digest: Digest | None,
) -> tuple[DbtLineage, bytes]:
    """The artifact and the bytes of its events file (empty: there is none).

    ``content`` holds the bytes of the targets' files by path, as far as they are there.
    """
    done = [assess(target, source, content) for target in seen]
    found = [finding for each in done for finding in each.findings]
    there = {target.target for target in seen}
    spared = tuple(each for each in left_out(plan) if source == "executed" and each.target not in there)
    if source == "executed":
        found += _absent(there, {each.target for each in spared})
    if not done and not found:
        message = "there is no target on which dbt could be run: nothing was proven"
        first = f"Claim {' or '.join(STRATEGIES)} on {SOURCE}_to_{TARGETS[0]}, or leave the family out"
        found.append(Finding("no_target", message, first, Outcome.UNTESTED))
    again = _again(plan, source)
    blockers = [
        Blocker(
            code=f"{DbtLineage.KIND}.{finding.code}",
            message=finding.message,
            next_step=f"{finding.first}; then: {again}",
        )
        for finding in distinct(found)
    ]
    outcome = Outcome.worst(finding.outcome for finding in found) if found else Outcome.PASSED
    targets = tuple(each.target for each in done)
    events, count = events_of(targets, content, plan, provenance)
    made = DbtLineage(
        **provenance.header(DbtLineage, plan.release_id, plan.subject, plan.profile),
        **verdict(outcome, blockers),
        source=source,
        tool_digest=tool_digest,
        sql_parser=parser_version(),
        targets=targets,
        left_out=spared,
        events=EventsFile(sha256=sha256(events), events=count) if count else None,
    )
    return made, events


def _absent(there: set[str], spared: set[str]) -> list[Finding]:
    return [
        Finding(
            f"missing_target:{target}",
            f"dbt was not run on {target}, which this plan calls for",
            f"Run it there: leave out --target, or add --target {target}",
            Outcome.UNTESTED,
        )
        for target in TARGETS
        if target not in there | spared
    ]


def _again(plan: CertificationPlan, source: str) -> str:
    given = ("--manifest", "manifest.json", "--run-results", "run_results.json", "--catalog", "catalog.json")
    which = given if source == "given" else ()
    return decide_again("dbt-lineage", plan.subject.engine, plan.release_id, *which)
