"""Holds exported events against the cells they were made from; the verdict follows from the items.

A function of files alone, so that whoever doubts a report can make it again.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, TypeVar

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.cell import CellEvidence, CellKey
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.lineage_events import ReadEvent, read_events
from certification_pipeline.evidence.lineage_run import run_item
from certification_pipeline.evidence.load_lineage import JudgedLoad, foreign, judged_loads
from certification_pipeline.evidence.next_step import decide_again, rerun_cell
from certification_pipeline.evidence.openlineage import (
    OWN_CELLS,
    Emission,
    LineageItem,
    OpenLineageReport,
    ProblemWord,
)
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.run_registry import MOST_BLOCKERS, RunRegistry, run_registry
from certification_pipeline.evidence.subject_dir import CellFile, SubjectDir

T = TypeVar("T")

SPECIFICATION = "2-0-2"

_OURS = frozenset(
    {ProblemWord.FAIL_EVENT, ProblemWord.NOT_EXPORTABLE, ProblemWord.WRONG_COUNT, ProblemWord.WRONG_COLUMNS}
)
"""Words behind which usually stands the load itself: running the cell again is what mends them."""


class Scope(NamedTuple):
    """The cells whose loads are exported."""

    scenarios: tuple[str, ...]
    cells: tuple[CellEvidence, ...]
    without: tuple[PlannedCell, ...]
    """Cells that were to run, and of which there is no load."""

    @property
    def loads(self) -> Iterator[JudgedLoad]:
        """Every load, in the plan's order."""
        for cell in self.cells:
            yield from judged_loads(cell)


def scope_of(plan: CertificationPlan, found: Iterable[CellFile], scenarios: Sequence[str]) -> Scope:
    """The seeds' own cells, and those of ``scenarios``: patterns can add cells, never leave some out."""
    globs = tuple(dict.fromkeys((OWN_CELLS, *scenarios)))
    cells: list[CellEvidence] = []
    without: list[PlannedCell] = []
    for file in found:
        planned, cell = file.planned, file.content
        if planned is None or planned.disposition != "run":
            continue
        if not any(fnmatchcase(planned.key.scenario, glob) for glob in globs):
            continue
        if (
            isinstance(cell, CellEvidence)
            and cell.loads
            and cell.key == planned.key
            and not foreign(cell, plan)
        ):
            cells.append(cell)
        else:
            without.append(planned)
    return Scope(globs, tuple(cells), tuple(without))


def openlineage_report(
    directory: SubjectDir,
    plan: CertificationPlan,
    provenance: Provenance,
    *,
    scenarios: Sequence[str] = (),
    emission: Emission | None = None,
) -> OpenLineageReport:
    """Read cells, registry and events as they lie on disk and say where they disagree.

    Raises EvidenceError only when the directory itself cannot be read.
    """
    found = tuple(directory.scan(plan))
    scope = scope_of(plan, found, scenarios)
    registry_digest, registry_blockers = _registry(directory, plan, found)
    events, events_digest, events_blockers = _events(directory, plan)
    by_run: dict[str | None, list[ReadEvent]] = defaultdict(list)
    for event in events:
        by_run[event.run_id].append(event)
    items = tuple(run_item(plan, load, by_run.pop(load.load.run_id, [])) for load in scope.loads)
    judged = sum(item.oracle_rows is not None for item in items)
    red = [
        *registry_blockers,
        *events_blockers,
        *_invalid(plan, events),
        *_strangers(plan, by_run),
        *_of_items(plan, items, {cell.key.cell_id: cell.key for cell in scope.cells}),
        *_without_loads(plan, scope.without),
    ]
    empty = [] if red else list(_nothing(plan, items, judged))
    outcome = Outcome.FAILED if red else Outcome.CANT_TELL if empty else Outcome.PASSED
    return OpenLineageReport(
        **provenance.header(OpenLineageReport, plan.release_id, plan.subject, plan.profile),
        **verdict(outcome, (*red, *empty)),
        plan_digest=plan.plan_digest,
        scenarios=scope.scenarios,
        openlineage_version=SPECIFICATION,
        events_path=layout.OPENLINEAGE_EVENTS,
        events_sha256=events_digest,
        event_count=len(events),
        registry_path=layout.RUN_REGISTRY,
        registry_sha256=registry_digest,
        run_count=len(items),
        judged_runs=judged,
        items=items,
        emission=emission,
    )


def _registry(
    directory: SubjectDir, plan: CertificationPlan, found: Sequence[CellFile]
) -> tuple[Digest | None, list[Blocker]]:
    """The registry on disk must be what the cells give, and green."""
    try:
        stated, digest = directory.read_with_digest(layout.RUN_REGISTRY, RunRegistry)
    except EvidenceError as error:
        word = "missing" if error.kind is ProblemKind.MISSING else "not_verified"
        return None, [_blocker(f"run_registry.{word}:{layout.RUN_REGISTRY}", str(error), _again(plan))]
    made = Provenance(
        run_id=stated.run_id,
        created_at=stated.created_at,
        producer=stated.producer,
        environment=stated.environment,
    )
    true = run_registry(plan, found, made)
    if stated.model_copy(update={"content_digest": ""}) != true:
        message = f"{layout.RUN_REGISTRY} does not list the runs that the cells hold"
        return digest, [_blocker(f"run_registry.not_verified:{layout.RUN_REGISTRY}", message, _again(plan))]
    return digest, list(true.blockers)


def _events(
    directory: SubjectDir, plan: CertificationPlan
) -> tuple[tuple[ReadEvent, ...], Digest | None, list[Blocker]]:
    try:
        data = directory.read_bytes(layout.OPENLINEAGE_EVENTS)
    except EvidenceError as error:
        return (), None, [_blocker(_code("events.missing"), str(error), _again(plan))]
    return read_events(data), sha256(data), []


def _invalid(plan: CertificationPlan, events: Sequence[ReadEvent]) -> Iterator[Blocker]:
    wrong = [event for event in events if event.facts is None]
    for event, more in _first(wrong):
        message = f"line {event.line}, run {event.run_id or 'unknown'}: {event.problem}{more}"
        yield _blocker(_code(f"invalid_event:{event.run_id or event.line}"), message, _again(plan))


def _strangers(plan: CertificationPlan, left: Mapping[str | None, Sequence[ReadEvent]]) -> Iterator[Blocker]:
    strange = [run_id for run_id in left if run_id is not None]
    for run_id, more in _first(strange):
        message = f"there are events of run {run_id}, which no load of this export has{more}"
        yield _blocker(_code(f"unknown_run:{run_id}"), message, _again(plan))


def _of_items(
    plan: CertificationPlan, items: Sequence[LineageItem], keys: Mapping[str, CellKey]
) -> Iterator[Blocker]:
    by_word: dict[ProblemWord, list[tuple[LineageItem, str]]] = defaultdict(list)
    for item in items:
        for problem in item.problems:
            by_word[problem.word].append((item, problem.message))
    for word, wrong in by_word.items():
        for (item, message), more in _first(wrong):
            step = _run_again(plan, keys[item.cell_id]) if word in _OURS else _again(plan)
            yield _blocker(
                _code(f"{word}:{item.run_id}"), f"{item.cell_id}, {item.step}: {message}{more}", step
            )


def _without_loads(plan: CertificationPlan, without: Sequence[PlannedCell]) -> Iterator[Blocker]:
    for planned, more in _first(without):
        cell_id = planned.key.cell_id
        message = f"{cell_id} was to run, and there is no evidence of a load{more}"
        yield _blocker(_code(f"no_run:{cell_id}"), message, _run_again(plan, planned.key))


def _nothing(plan: CertificationPlan, items: Sequence[LineageItem], judged: int) -> Iterator[Blocker]:
    if not items:
        message = "the plan has no cell of these scenarios to run: there is nothing to export"
        command = ["certify", "run", "--engine", plan.subject.engine, "--profile", plan.profile]
        yield _blocker(_code("no_events"), message, shlex.join(command))
    elif not judged:
        message = "the oracle looked at no sink after a load: nothing could be compared"
        yield _blocker(_code("not_judged"), message, _run_again(plan, None))


def _first(wrong: Sequence[T]) -> Iterator[tuple[T, str]]:
    """The first few, the last of them with how many more there are."""
    for at, each in enumerate(wrong[:MOST_BLOCKERS], start=1):
        left = len(wrong) - at if at == MOST_BLOCKERS else 0
        yield each, f" (and {left} more like it)" if left else ""


def _code(what: str) -> str:
    return f"{OpenLineageReport.KIND}.{what}"


def _blocker(code: str, message: str, next_step: str) -> Blocker:
    return Blocker(code=code, message=message, next_step=next_step)


def _again(plan: CertificationPlan) -> str:
    """Export again from the cells there are."""
    return decide_again("lineage", plan.subject.engine, plan.release_id)


def _run_again(plan: CertificationPlan, key: CellKey | None) -> str:
    if key is not None:
        return rerun_cell(key, plan.release_id)
    return decide_again("run", plan.subject.engine, plan.release_id, "--scenario", OWN_CELLS)
