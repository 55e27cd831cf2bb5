"""Calibrations kept beside the releases: recomputed from the trials inside, and those held to their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.catalog.calibration import ENGINE
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.calibration import Calibration, Trial
from certification_pipeline.evidence.calibration_basis import kept_in
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.canonical import parse
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import read_no_follow, safe_segment
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.artifact_index import files_below
from certification_pipeline.gates.chain_files import shown
from certification_pipeline.gates.verification import differences, provenance_of
from certification_pipeline.gates.verify.finding import Finding, Kind, disagreeing, guarded, of_error

FILE = f"{Calibration.KIND}.json"
_AGAIN = "Calibrate again: certify calibrate"


def calibrations(root: Path) -> Iterator[Finding | str]:
    """Every kept calibration below ``root``; notes say what of one nobody vouches for.

    No release rests on what lies here: each holds a copy of its own, in its chain.
    """
    try:
        folders = sorted(
            path for path in (root / layout.CALIBRATIONS).iterdir() if path.is_dir() and not path.is_symlink()
        )
    except OSError:
        return
    for folder in folders:
        where = f"{layout.CALIBRATIONS}/{shown(folder.name)}"
        try:
            directory = SubjectDir(folder, safe_segment(folder.name, "calibration"), ENGINE)
        except EvidenceError:
            continue  # the inventory says so
        yield from guarded(f"{where}/{FILE}", lambda d=directory, w=where: _kept(root, d, w))  # type: ignore[misc]
        yield from _later(directory, where)


def _kept(root: Path, directory: SubjectDir, where: str) -> Iterator[Finding]:
    try:
        found = directory.read(FILE, Calibration)
    except EvidenceError as error:
        yield of_error(error, f"{where}/{FILE}").model_copy(update={"remedy": _AGAIN})
        return
    again = calibration(
        provenance_of(found),
        release_id=directory.release_id,
        subject=found.subject,
        profile=found.profile,
        basis=found.basis,
        calibrated=found.calibrated,
        rows=found.rows,
        seed=found.seed,
        scenarios=found.scenarios,
        plan=found.plan,
        trials=found.trials,
        repeated=found.repeated,
    )
    yield from disagreeing(f"{where}/{FILE}", differences(found, again))
    if kept_in(root, found.basis).path != directory.path:
        told = f"it is of another bench: it would lie in {kept_in(root, found.basis).path.name}"
        yield Finding(kind=Kind.EDITED, path=f"{where}/{FILE}", field="basis", message=told)
    page = f"{where}/{Calibration.KIND}.md"
    try:
        data = directory.read_bytes(f"{Calibration.KIND}.md")
        if data != markdown(found).encode("utf-8", "replace"):
            yield Finding(kind=Kind.EDITED, path=page, message=f"it is not the page of {FILE}", remedy=_AGAIN)
    except EvidenceError as error:
        yield of_error(error, page).model_copy(update={"remedy": _AGAIN})
    yield from _trials(directory, found, where)


def _trials(directory: SubjectDir, found: Calibration, where: str) -> Iterator[Finding]:
    held = {(trial.defect, trial.cell, trial.repetition): trial for trial in found.trials}
    seen = set()
    for path in _trial_files(directory):
        shown_path = f"{where}/{shown(path)}"
        try:
            data = read_no_follow(directory.path / path, path, layout.LARGEST_CELL)
            trial = parse(data, Trial, path)
        except EvidenceError as error:
            yield of_error(error, shown_path).model_copy(update={"remedy": _AGAIN})
            continue
        key = (trial.defect, trial.cell, trial.repetition)
        seen |= {key} if path == _path(trial) else set()
        if path != _path(trial):
            yield Finding(
                kind=Kind.EDITED,
                path=shown_path,
                message=f"it holds the trial of {_path(trial)}",
                remedy=_AGAIN,
            )
        elif key in held and trial != held[key]:
            says = trial.model_dump(mode="json")
            is_ = held[key].model_dump(mode="json")
            for field in sorted(name for name in says if says[name] != is_[name]):
                told = f"says {str(says[field])[:80]!r}, {FILE} holds {str(is_[field])[:80]!r}"
                yield Finding(kind=Kind.EDITED, path=shown_path, field=field, message=told, remedy=_AGAIN)
        elif data != _spelt(trial):
            told = "it is not spelled as it was written"
            yield Finding(kind=Kind.EDITED, path=shown_path, message=told, remedy=_AGAIN)
    if seen:
        for key in sorted(held.keys() - seen, key=str):
            told = f"{FILE} holds it"
            path = f"{where}/{_path(held[key])}"
            yield Finding(kind=Kind.DELETED, path=path, message=told, remedy=_AGAIN)


def _later(directory: SubjectDir, where: str) -> Iterator[str]:
    later = sum(
        1
        for path in _trial_files(directory)
        if path.startswith("trials/clean-") and "/clean-001/" not in f"/{path}/"
    )
    if later:
        yield f"{where}/trials: {later} later rounds of the clean engine are counted, not kept: not verified"


def _trial_files(directory: SubjectDir) -> list[str]:
    return sorted(
        f"trials/{path}" for path in files_below(directory.path / "trials") if path.endswith(".json")
    )


def _spelt(trial: Trial) -> bytes:
    return trial.model_dump_json(indent=1).encode() + b"\n"


def _path(trial: Trial) -> str:
    defect = trial.defect or f"clean-{trial.repetition:03}"
    return f"trials/{defect}/{trial.cell.replace('/', '__')}.json"
