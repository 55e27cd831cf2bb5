"""``certify calibrate``: plant each defect, run its cells and their controls, keep every trial, decide."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ValidationError

from certification_pipeline.catalog.calibration import ENGINE, PlantedDefect, held_to_defects, load_defects
from certification_pipeline.catalog.calibration import engines_of as engines_of_defects
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.calibration import Calibration, CleanCell, Trial
from certification_pipeline.evidence.calibration_basis import basis_of, kept_in, planted
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.evidence.provenance import environment, producer, stamp
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.plan import PlanError, build_plan
from certification_pipeline.harness.calibration.trials import Attempt, attempts, cells_by_name, run_trials
from certification_pipeline.harness.calibration.variants import catalog_with, engines_of
from certification_pipeline.harness.engines.environment import EngineUnavailable
from certification_pipeline.harness.events import EnginePreparing, OnEvent
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.harness.workshop import (
    DEFECT_VARIABLE,
    MissingEngine,
    ReadyEngine,
    open_workshop,
    ready_engines,
)
from certification_pipeline.pipeline.quiet import at_work
from certification_pipeline.settings import SettingsError, must_match

PROFILE = "embedded"
ROWS = 1000
"""Of a default table. Enough for batches to have seams; the verdict needs no more."""
SEED = 1
_TRIALS = "trials"
_DECIDED = (Outcome.PASSED, Outcome.FAILED)


@dataclass(frozen=True)
class Asked:
    """What of the calibration is to be run."""

    evidence_dir: Path
    workers: int
    defects: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    clean: int = 1
    resume: bool = False

    @property
    def whole(self) -> bool:
        """Whether every trial is to be done anew."""
        return not (self.defects or self.scenarios or self.resume)


def calibrate(
    asked: Asked,
    catalog: Catalog,
    on_event: OnEvent,
    cancel: threading.Event,
    on_trial: Callable[[Trial, int], None],
) -> Calibration:
    """Run what is asked for and decide over all trials of this very bench that there are.

    ``on_trial`` hears each trial and how many there are to do. Raises ``SettingsError`` for filters that
    match nothing, ``PlanError`` while another process calibrates, ``EngineUnavailable`` without the engine.
    """
    defects = load_defects()
    basis = basis_of(catalog)
    directory = kept_in(asked.evidence_dir, basis)
    chosen = tuple(_chosen(asked, defects.values()))
    engines, planned = _planned(catalog, engines_of_defects(chosen), on_event)
    reference = engines[ENGINE]
    with _alone(directory.path):
        if asked.whole:
            shutil.rmtree(directory.path / _TRIALS, ignore_errors=True)
        todo = attempts(chosen, planned, asked.clean)
        if asked.resume:
            done = {_name(trial) for trial in _kept(directory) if trial.outcome in _DECIDED}
            todo = tuple(one for one in todo if _name_of(one) not in done)
        run_id = uuid.uuid4().hex
        for trial in _run(
            catalog, engines, todo, _Run(asked.evidence_dir, run_id, asked.workers, on_event, cancel)
        ):
            path = directory.path / _TRIALS / _name(trial)
            write_atomically(path, trial.model_dump_json(indent=1).encode() + b"\n")
            on_trial(trial, len(todo))
        trials = tuple(_kept(directory))
        # Of the clean engine's later rounds those that held are counted, and the others shown.
        later = [trial for trial in trials if trial.repetition > 1 and trial.outcome is Outcome.PASSED]
        made = calibration(
            stamp(run_id),
            release_id=directory.release_id,
            subject=_subject(ENGINE, reference),
            profile=PROFILE,
            basis=basis,
            calibrated=_subject(ENGINE, reference),
            rows=ROWS,
            seed=SEED,
            scenarios=held_to_defects(catalog),
            plan=planted(defects),
            trials=[trial for trial in trials if trial not in later],
            repeated=_counted(later),
        )
        return directory.write(made, markdown(made))


def _chosen(asked: Asked, defects: Iterable[PlantedDefect]) -> Iterator[PlantedDefect]:
    """The defects that match, each with its cells that match."""
    cells = [defect for defect in defects if defect.killed_by]
    must_match("defect", asked.defects, [defect.id for defect in cells])
    planned = {cell.rpartition("/")[2] for defect in cells for cell in defect.killed_by}
    must_match("scenario", asked.scenarios, planned)
    for defect in cells:
        if asked.defects and not any(fnmatchcase(defect.id, glob) for glob in asked.defects):
            continue
        named = tuple(
            cell
            for cell in defect.killed_by
            if not asked.scenarios or any(fnmatchcase(cell.rpartition("/")[2], g) for g in asked.scenarios)
        )
        if named:
            yield defect.model_copy(update={"killed_by": named})


def _planned(
    catalog: Catalog, names: Iterable[str], on_event: OnEvent
) -> tuple[dict[str, ReadyEngine], dict[str, PlannedCell]]:
    """The engines, clean, and every cell that is planned for them."""
    if os.environ.get(DEFECT_VARIABLE):
        raise SettingsError(f"{DEFECT_VARIABLE} is set: the controls would have a defect, too", "unset it")
    availability = probe_all(catalog.profiles[PROFILE].systems)
    engines: dict[str, ReadyEngine] = {}
    cells: dict[str, PlannedCell] = {}
    for name, ready in ready_engines(catalog, names, on_event).items():
        if isinstance(ready, MissingEngine):
            raise EngineUnavailable(ready.detail, ready.remedy)
        plan = build_plan(
            catalog,
            name,
            PROFILE,
            rows=ROWS,
            seed=SEED,
            release_id="calibration",
            run_id=uuid.uuid4().hex,
            subject=_subject(name, ready),
            availability=availability,
            producer=producer(),
            environment=environment(),
            scenarios=("*",),  # asked for by name, or a profile may leave cells out to keep its runs short
        )
        engines[name] = ready
        cells |= cells_by_name(plan.cells)
    return engines, cells


def _subject(name: str, ready: ReadyEngine) -> Subject:
    digest = ready.prepared.artifact_digest
    return Subject(engine=name, version=ready.described.version, artifact_digest=digest)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    try:
        with writing(path):
            yield
    except Held as held:
        raise PlanError(
            f"another run is calibrating this bench (pid {held.pid or 'unknown'})", "wait until it has ended"
        ) from None


@dataclass(frozen=True)
class _Run:
    """How trials are run."""

    evidence_dir: Path
    run_id: str
    workers: int
    on_event: OnEvent
    cancel: threading.Event


def _run(
    catalog: Catalog, engines: Mapping[str, ReadyEngine], todo: Sequence[Attempt], how: _Run
) -> Iterator[Trial]:
    if not todo:
        return
    variants = tuple(dict.fromkeys(one.variant for one in todo))
    keys = [one.planned.key for one in todo if one.planned.disposition == "run"]

    def waits(why: str) -> None:
        how.on_event(EnginePreparing(ENGINE, why))

    with (
        at_work(how.evidence_dir, how.cancel, waits),
        open_workshop(
            catalog_with(catalog, variants),
            run_id=how.run_id,
            systems=dict.fromkeys(system for key in keys for system in (key.source, key.sink)),
            engines=engines_of(engines, variants),
            on_event=how.on_event,
            cancel=how.cancel,
        ) as shop,
        closing(run_trials(todo, shop, how.workers, how.run_id)) as results,
    ):
        yield from results


def _kept(directory: SubjectDir) -> Iterator[Trial]:
    """Every trial on disk; what cannot be read is no trial."""
    for path in sorted((directory.path / _TRIALS).rglob("*.json")):
        with suppress(OSError, ValidationError):
            yield Trial.model_validate_json(path.read_bytes())


def _name(trial: Trial) -> str:
    return _file(trial.defect, trial.cell, trial.repetition)


def _name_of(one: Attempt) -> str:
    return _file(one.variant.defect, one.cell, one.variant.repetition)


def _file(defect: str | None, cell: str, repetition: int) -> str:
    return f"{defect or f'clean-{repetition:03}'}/{cell.replace('/', '__')}.json"


def _counted(trials: Iterable[Trial]) -> tuple[CleanCell, ...]:
    runs: dict[str, int] = {}
    for trial in trials:
        runs[trial.cell] = runs.get(trial.cell, 0) + 1
    return tuple(
        CleanCell(cell=cell, runs=count, outcomes={Outcome.PASSED: count})
        for cell, count in sorted(runs.items())
    )
