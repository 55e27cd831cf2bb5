"""Is the catalogue installed here the one that a release was made by, in all that its verdicts rest on?"""

from __future__ import annotations

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import catalog_digest
from certification_pipeline.catalog.parts import Differing, Parts, differing, parts_of
from certification_pipeline.evidence.carried import carried_parts
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir


def differs(plan: CertificationPlan, then: Parts, here: Parts) -> Differing:
    """Where the parts a plan was made by differ from those installed here."""
    running = [cell.key for cell in plan.cells if cell.disposition == "run"]
    return differing(
        then,
        here,
        engine=plan.subject.engine,
        profile=plan.profile,
        scenarios={key.scenario for key in running},
        systems={system for key in running for system in (key.source, key.sink)},
    )


def judged_alike(directory: SubjectDir, plan: CertificationPlan, catalog: Catalog) -> bool:
    """Whether what cells and families were judged by is the same here, whatever else was edited since.

    A plan that says so falsely gains nothing by it: it is held to the catalogue installed here.
    """
    engine = plan.subject.engine
    if catalog_digest(catalog, engine) == plan.catalog_digest:
        return True
    try:
        then = carried_parts(directory, plan)
        return then is not None and not differs(plan, then, parts_of(catalog, engine)).judged_by
    except (EvidenceError, KeyError):
        return False
