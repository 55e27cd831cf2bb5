"""The calibration gate: the score is computed again from the trials, and held against plan and catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from certification_pipeline.catalog.calibration import ENGINE, held_to_defects, load_defects, scope_digest
from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.calibration_basis import planted
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.plan import CertificationPlan
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


def verify_calibration(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Recompute score and verdict from the trials inside; each trial's outcome from its judgements."""
    found = directory.load(file.data, file.path, Calibration)
    plan = sealed.plan
    recomputed = calibration(
        provenance_of(found),
        release_id=plan.release_id,
        subject=plan.subject,
        profile=plan.profile,
        basis=found.basis,
        calibrated=found.calibrated,
        rows=found.rows,
        seed=found.seed,
        scenarios=found.scenarios,
        plan=found.plan,
        trials=found.trials,
        repeated=found.repeated,
    )
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(
            *before_the_plan(found, plan),
            *_of_another_bench(directory, found, plan),
            *_repeated(found),
            *differences(found, recomputed),
        ),
        because=recomputed.blockers,
        summary={
            "planted": recomputed.planted,
            "killed": recomputed.killed,
            "score": recomputed.score,
            "false_alarms": recomputed.clean.alarms,
            "clean_runs": recomputed.clean.runs,
        },
    )


def _of_another_bench(directory: SubjectDir, found: Calibration, plan: CertificationPlan) -> Iterator[str]:
    """Defects and scenarios must be the catalogue's; without that catalogue, fit the plan at least."""
    if plan.subject.engine == ENGINE and found.calibrated not in (None, plan.subject):
        yield "calibrated: with another reference engine than the release's"
    planned = {cell.key.scenario for cell in plan.cells if cell.disposition == "run"}
    catalog = load_catalog()
    beyond = set(catalog.scenarios) - set(held_to_defects(catalog))
    if missing := sorted(planned - set(found.scenarios) - beyond):
        yield f"scenarios: the plan runs {', '.join(missing)}, which it does not hold to anything"
    defects = load_defects()
    if catalog_digest(catalog, plan.subject.engine) != plan.catalog_digest:
        if judged_alike(directory, plan, catalog) and found.plan != planted(defects):
            yield "plan: is not the catalogue's"
        return
    if found.basis.scope != scope_digest(catalog, defects):
        yield "basis: scenarios, types, claims or defects are other ones than the catalogue's"
    elif found.plan != planted(defects) or found.scenarios != held_to_defects(catalog):
        yield "plan: is not the catalogue's"


def _repeated(found: Calibration) -> Iterator[str]:
    """A trial that is listed twice could outvote nothing, but would be counted twice."""
    trials = Counter((trial.defect, trial.cell, trial.repetition) for trial in found.trials)
    for (defect, cell, number), count in trials.items():
        if count > 1:
            yield f"trials: {defect or 'clean'} in {cell} (repetition {number}) is there {count} times"
