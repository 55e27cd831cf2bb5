"""What a set of replays is worth: a function of the items' judgements and of what is declared.

Nothing that an item says about its own outcome is taken on trust. Whoever does the work and whoever verifies
it call the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.cell import CellEvidence, CheckJudgement, LoadEvidence, RowJudgement
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.replay import (
    WORKLOADS,
    Aspect,
    DeclaredReplay,
    ReplayEvidence,
    ReplayItem,
)
from certification_pipeline.evidence.subject_dir import SubjectDir

_WORDS: Mapping[Aspect, tuple[str, str]] = {
    Aspect.EXECUTED: ("failed", "the engine did not do it"),
    Aspect.INSIDE: ("inside_differs", "afterwards the sink is not what source and strategy say"),
    Aspect.OUTSIDE: ("outside_touched", "rows outside of the scope are not what they were"),
    Aspect.IDEMPOTENT: ("not_idempotent", "a second replay changed the sink"),
    Aspect.STATE: ("state_wrong", "the loads after it are not right"),
    Aspect.BASIS: ("no_witness", "the rebuilt history was not right to begin with"),
    Aspect.WITNESS: ("no_witness", "there was nothing to repair, or the load was not broken"),
}
_BEFORE_WRITING = frozenset({Aspect.BASIS, Aspect.WITNESS, Aspect.EXECUTED})


def declared_replays(catalog: Catalog, plan: CertificationPlan) -> tuple[DeclaredReplay, ...]:
    """What the catalogue claims for the routes and strategies of which the plan runs a cell to replay."""
    engine = catalog.engine(plan.subject.engine)
    found = []
    running = dict.fromkeys(
        (cell.key.source, cell.key.sink, cell.key.strategy)
        for cell in plan.cells
        if cell.disposition == "run" and cell.key.scenario in WORKLOADS
    )
    for source, sink, strategy in running:
        claims = engine.route(source, sink)
        claim = claims.strategies.get(strategy) if claims else None
        if claim is not None and claim.replay:
            found.append(
                DeclaredReplay(source=source, sink=sink, strategy=strategy, support=dict(claim.replay))
            )
    return tuple(found)


def replay_evidence(
    plan: CertificationPlan,
    declared: Sequence[DeclaredReplay],
    items: Sequence[ReplayItem],
    provenance: Provenance,
    *,
    mode: Literal["plan", "execute"],
    digest: str,
) -> ReplayEvidence:
    """The artifact over these items; outcomes are worked out from their judgements."""
    judged = tuple(item.recomputed() for item in items)
    blockers = tuple(_blockers(plan, declared, judged, mode))
    claims = any(one.kinds for one in declared)
    if not claims and not judged:
        outcome = Outcome.INAPPLICABLE
    else:
        outcome = Outcome.worst(item.outcome for item in judged)
        if outcome is Outcome.PASSED and blockers:
            outcome = Outcome.UNTESTED
    return ReplayEvidence(
        **provenance.header(ReplayEvidence, plan.release_id, plan.subject, plan.profile),
        **verdict(outcome, blockers),
        mode=mode,
        catalog_digest=digest,
        declared=tuple(declared),
        items=judged,
    )


def _blockers(
    plan: CertificationPlan, declared: Sequence[DeclaredReplay], items: Sequence[ReplayItem], mode: str
) -> Iterator[Blocker]:
    engine, release = plan.subject.engine, plan.release_id
    everything = replay_again(engine, release)

    def blocker(code: str, message: str, item: ReplayItem | None = None) -> Blocker:
        step = replay_again(engine, release, item) if item else everything
        return Blocker(code=f"replay.{code}", message=message, next_step=step)

    claimed = [one for one in declared if one.kinds]
    if claimed and not items:
        yield blocker("no_items", "replays are declared, and not one was done")
    planned = [item for item in items if not item.executed]
    if mode == "plan" or planned:
        named = f": {planned[0].title}" if planned else ""
        yield blocker("not_executed", f"{len(planned)} replays were planned only{named}")
    for item in items:
        for word, message in _item_blockers(item):
            yield blocker(f"{word}:{item.run_id}", f"{item.title}: {message}", item)
    done = [item for item in items if item.executed]
    routes = {(one.route_id, kind) for one in claimed for kind in one.kinds}
    for route, kind in sorted(routes - {(item.route_id, item.kind) for item in done}):
        yield blocker(f"missing:{route}/{kind}", f"{kind} is declared on {route}, and none was done")
    for strategy in sorted({one.strategy for one in claimed} - {item.strategy for item in done}):
        yield blocker(f"missing:{strategy}", f"replays of {strategy} are declared, and none was done")


def _item_blockers(item: ReplayItem) -> Iterator[tuple[str, str]]:
    if not item.executed:
        return
    absent = []
    for check in item.status_checks:
        if check.status is Outcome.FAILED:
            word, message = _WORDS[check.name]
            yield word, f"{message}: {_first_difference(item, check.name)}"
        elif check.status is not Outcome.PASSED:
            absent.append(check.name.value)
    stopped = any(item.aspect(aspect) is Outcome.FAILED for aspect in _BEFORE_WRITING)
    if absent and not stopped:
        yield "incomplete", f"no judgement on {', '.join(absent)}"


def _first_difference(item: ReplayItem, aspect: Aspect) -> str:
    for one in item.judgements:
        judgement = one.judgement
        if one.aspect is aspect and judgement.outcome is not Outcome.PASSED:
            return f"{judgement.step}: {_seen(judgement, item)}"
    return "see the item"


def _seen(judgement: RowJudgement | CheckJudgement, item: ReplayItem) -> str:
    if isinstance(judgement, RowJudgement):
        counted = ", ".join(f"{count} {anomaly}" for anomaly, count in judgement.anomalies.items() if count)
        rows = f"{judgement.expected.rows} rows expected, {judgement.actual.rows} found"
        return judgement.remark or counted or f"{rows}, fingerprints differ"
    said = f" ({item.detail})" if item.detail else ""
    return f"{judgement.name}: expected {judgement.expected!r}, observed {judgement.observed!r}{said}"


class RecordedRun(NamedTuple):
    """A load of the release, as its cell's evidence has it."""

    cell: CellEvidence
    load: LoadEvidence


def recorded_runs(directory: SubjectDir, plan: CertificationPlan) -> dict[str, RecordedRun]:
    """Run id -> the load in the cells' evidence; cells that cannot be read have none."""
    return {
        load.run_id: RecordedRun(content, load)
        for _, content in directory.cells(plan)
        if isinstance(content, CellEvidence)
        for load in content.loads
    }


def replay_again(engine: str, release_id: str, item: ReplayItem | None = None) -> str:
    """Do this one replay again, or all that are declared."""
    words = [] if item is None else ["--run-id", item.run_id, "--action", item.action]
    if item is not None and item.scope is not None:
        names = {"partition": ("--partition",), "key_range": ("--key-from", "--key-to")}
        values = (item.scope.start, item.scope.stop)
        for name, value in zip(names.get(item.kind, ("--from", "--to")), values, strict=False):
            words += [name, str(value)]
    return decide_again("replay execute", engine, release_id, *words)
