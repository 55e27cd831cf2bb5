"""The newest calibration of this very bench, put beside a release's evidence; nothing is run here.

A calibration is of scenarios, harness and reference engine, not of a release: ``certify calibrate`` makes one
when any of these changed. A release that finds none of its own bench is inconclusive, and says so
(docs/adr/0007).
"""

from __future__ import annotations

from contextlib import suppress

from certification_pipeline.catalog.calibration import held_to_defects, load_defects
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.calibration_basis import basis_of, kept_in, planted
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.families.work import Work


def produce(work: Work) -> Calibration:
    """The artifact of this release; without one of this bench it holds no trial."""
    catalog = work.shop.catalog
    basis = basis_of(catalog)
    found: Calibration | None = None
    with suppress(EvidenceError):  # none, or none that can be read: either way there is none
        kept = kept_in(work.store.root, basis)
        found = kept.read(layout.FAMILY_ARTIFACTS[Family.CALIBRATION], Calibration)
    plan = work.plan
    made = calibration(
        stamp(work.run_id),
        release_id=plan.release_id,
        subject=plan.subject,
        profile=plan.profile,
        basis=basis,
        calibrated=found.calibrated if found else None,
        rows=found.rows if found else 0,
        seed=found.seed if found else 0,
        scenarios=held_to_defects(catalog),
        plan=planted(load_defects()),
        trials=found.trials if found else (),
        repeated=found.repeated if found else (),
    )
    return work.directory.write(made, markdown(made))
