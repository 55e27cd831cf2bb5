"""What a release takes up and the gate makes of it: recomputed, of this bench, and missing when missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.calibration import load_defects
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.calibration import Basis, Calibration, Trial
from certification_pipeline.evidence.calibration_basis import basis_of, kept_in, planted
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.calibration.produce import produce
from certification_pipeline.families.work import Work
from certification_pipeline.gates.evidence_bundle import evidence_bundle
from certification_pipeline.gates.families import VERIFIERS, verification_of
from certification_pipeline.gates.verification import Verification, read_plan
from tests.calibration.builders import trial
from tests.evidence.builders import ENGINE, RELEASE, SUBJECT, key, plan, planned, provenance

FILE = "calibration.json"


class _Shop:
    catalog: Catalog = load_catalog()


def all_killed() -> tuple[Trial, ...]:
    """Synthetic: every cell of the plan red with its defect, and green without."""
    cells = [(one.id, cell) for one in load_defects().values() for cell in one.cells]
    return (
        *(trial(defect, cell, right=False) for defect, cell in cells),
        *(trial(None, cell) for cell in dict.fromkeys(cell for _, cell in cells)),
    )


def keep(root: Path, trials: tuple[Trial, ...], basis: Basis | None = None) -> None:
    catalog = load_catalog()
    basis = basis or basis_of(catalog)
    directory = kept_in(root, basis)
    made = calibration(
        provenance(),
        release_id=directory.release_id,
        subject=SUBJECT,
        profile="embedded",
        basis=basis,
        calibrated=SUBJECT,
        rows=1000,
        seed=1,
        scenarios=tuple(catalog.scenarios),
        plan=planted(load_defects()),
        trials=trials,
    )
    directory.write(made)


@pytest.fixture
def directory(tmp_path: Path) -> SubjectDir:
    there = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    digest = catalog_digest(load_catalog(), ENGINE)
    families = (Family.CALIBRATION,)
    made = plan([planned(key())]).model_copy(update={"families": families, "catalog_digest": digest})
    there.seal_plan(made.model_copy(update={"plan_digest": made.recompute_digest()}))
    return there


def taken(directory: SubjectDir) -> Calibration:
    sealed: CertificationPlan = read_plan(directory).plan
    work = Work(sealed, EvidenceStore.holding(directory), _Shop(), "run-1")  # type: ignore[arg-type]
    return produce(work)


def verified(directory: SubjectDir) -> Verification:
    from certification_pipeline.evidence.provenance import stamp

    return verification_of(directory, FILE, stamp("run-2"))


def bundle_codes(directory: SubjectDir) -> list[str]:
    from certification_pipeline.evidence.provenance import stamp

    made = evidence_bundle(directory, read_plan(directory), stamp("run-2"), verifiers=VERIFIERS)
    return [blocker.code for blocker in made.blockers if blocker.code.startswith("calibration")]


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only scenarios that have a defect: others may be on their way."""
    catalog = load_catalog()
    there = {cell.rpartition("/")[2] for one in load_defects().values() for cell in one.cells}
    scenarios = {name: one for name, one in catalog.scenarios.items() if name in there}
    small = catalog.model_copy(update={"scenarios": scenarios})
    monkeypatch.setattr(_Shop, "catalog", small)
    monkeypatch.setitem(globals(), "load_catalog", lambda: small)
    monkeypatch.setattr("certification_pipeline.gates.calibration.load_catalog", lambda: small)


@pytest.mark.usefixtures("complete")
def test_a_release_takes_up_the_calibration_of_its_bench(directory: SubjectDir, tmp_path: Path) -> None:
    keep(tmp_path, all_killed())
    made = taken(directory)
    assert (made.outcome, made.score, made.release_id) == (Outcome.PASSED, 1.0, RELEASE)
    found = verified(directory)
    assert (found.outcome, found.problems) == (Outcome.PASSED, ())
    assert found.summary["score"] == 1.0
    assert bundle_codes(directory) == []


@pytest.mark.usefixtures("complete")
def test_none_or_that_of_another_bench_is_no_green(directory: SubjectDir, tmp_path: Path) -> None:
    other = basis_of(load_catalog()).model_copy(update={"harness": "sha256:" + "0" * 64})
    keep(tmp_path, all_killed(), other)
    assert taken(directory).outcome is Outcome.UNTESTED
    assert [blocker.code for blocker in verified(directory).because] == ["calibration.missing"]
    assert bundle_codes(directory) == [f"calibration.not_passed:{FILE}"]
    directory.path.joinpath(FILE).unlink()
    assert bundle_codes(directory) == [f"calibration.missing:{FILE}"]


@pytest.mark.usefixtures("complete")
def test_one_survivor_blocks_the_release(directory: SubjectDir, tmp_path: Path) -> None:
    saved = next(one for one in all_killed() if one.defect == "fail_on_empty")
    others = tuple(one for one in all_killed() if one is not saved and one != saved)
    keep(tmp_path, (*others, trial(saved.defect, saved.cell)))
    assert taken(directory).outcome is Outcome.FAILED
    assert verified(directory).because[0].code == "calibration.survivor:fail_on_empty"
    assert bundle_codes(directory) == [f"calibration.not_passed:{FILE}"]


def _score(value: dict[str, Any]) -> None:
    value["killed"] -= 1


def _judgement(value: dict[str, Any]) -> None:
    value["trials"][0]["judgements"][0]["observed"] = 1


def _plan(value: dict[str, Any]) -> None:
    value["plan"] = value["plan"][1:]


def _scenarios(value: dict[str, Any]) -> None:
    value["scenarios"] = value["scenarios"][1:]


def _twice(value: dict[str, Any]) -> None:
    value["trials"].append(value["trials"][0])


def _engine(value: dict[str, Any]) -> None:
    value["calibrated"]["version"] = "0.0.9"


@pytest.mark.usefixtures("complete")
@pytest.mark.parametrize("edit", [_score, _judgement, _plan, _scenarios, _twice, _engine])
def test_what_was_edited_does_not_verify(
    directory: SubjectDir, tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    keep(tmp_path, all_killed())
    taken(directory)
    path = directory.path / FILE
    value = json.loads(path.read_bytes())
    edit(value)
    # An author who also mends the digest of the content.
    directory.write(Calibration.model_validate({**value, "content_digest": ""}))
    assert verified(directory).problems
