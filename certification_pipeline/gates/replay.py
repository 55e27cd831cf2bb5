"""The replay gate: verifies ``replay_evidence`` against judgements, cells, plan and catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.replay import ReplayEvidence, ReplayItem
from certification_pipeline.evidence.replay_verdict import (
    RecordedRun,
    declared_replays,
    recorded_runs,
    replay_evidence,
)
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.catalogue import judged_alike
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
)


def verify_replay(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Recompute the verdict from the judgements; hold runs and claims against cells, plan, catalogue."""
    found = directory.load(file.data, file.path, ReplayEvidence)
    recomputed = replay_evidence(
        sealed.plan,
        found.declared,
        found.items,
        provenance_of(found),
        mode=found.mode,
        digest=found.catalog_digest,
    )
    runs = recorded_runs(directory, sealed.plan)
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(
            *before_the_plan(found, sealed.plan),
            *_undeclared(directory, found, sealed.plan),
            *(problem for item in recomputed.items for problem in _unrecorded(item, runs, found)),
            *_repeated(recomputed.items),
            *differences(found, recomputed),
        ),
        because=recomputed.blockers,
        summary={
            "declared": len(found.declared),
            "replays": len(recomputed.items),
            "passed": sum(item.passed for item in recomputed.items),
        },
    )


def _undeclared(directory: SubjectDir, found: ReplayEvidence, plan: CertificationPlan) -> Iterator[str]:
    """The file's list of claims must be the catalogue's; without that catalogue, fit the plan at least."""
    if found.catalog_digest != plan.catalog_digest:
        yield "declared: was taken from another catalogue than the plan's"
    catalog = load_catalog()
    if judged_alike(directory, plan, catalog):
        if found.declared != declared_replays(catalog, plan):
            yield "declared: is not what the catalogue declares for the plan's routes and strategies"
        return
    running: dict[tuple[str, str, Strategy], Support | None] = {
        (cell.key.source, cell.key.sink, cell.key.strategy): cell.support
        for cell in plan.cells
        if cell.disposition == "run"
    }
    for one in found.declared:
        if running.get((one.source, one.sink, one.strategy)) not in (Support.FULL, Support.PARTIAL):
            yield f"declared: the plan runs no {one.strategy} on {one.route_id}"


def _unrecorded(item: ReplayItem, runs: Mapping[str, RecordedRun], found: ReplayEvidence) -> Iterator[str]:
    recorded = runs.get(item.run_id)
    if recorded is None:
        since = max(
            (run.cell.finished_at for run in runs.values() if run.cell.key.cell_id == item.cell_id),
            default=None,
        )
        older = since is not None and found.created_at < since
        yield f"run {item.run_id}: no cell of this release records it" + (
            f"; {item.cell_id} was run again after this replay, which is out of date: make it again"
            if older
            else ""
        )
        return
    key = recorded.cell.key
    for field, says, is_ in (
        ("cell", item.cell_id, key.cell_id),
        ("source", item.source, key.source),
        ("sink", item.sink, key.sink),
        ("strategy", item.strategy, key.strategy),
        ("rows", item.rows, recorded.cell.rows),
        ("seed", item.seed, recorded.cell.seed),
    ):
        if says != is_:
            yield f"run {item.run_id}: {field} is {says}, the cell's evidence says {is_}"
    if recorded.load.ended != "result":
        yield f"run {item.run_id}: it ended in {recorded.load.ended}; a failed run cannot be replayed"


def _repeated(items: Sequence[ReplayItem]) -> Iterator[str]:
    seen = set()
    for item in items:
        identity = (item.run_id, item.kind, item.scope)
        if identity in seen:
            yield f"run {item.run_id}: the same replay is listed twice"
        seen.add(identity)
