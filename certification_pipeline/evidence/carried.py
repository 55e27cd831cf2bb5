"""The catalogue's parts that a release was made by, as they lie beside its plan.

What is read here is what the maker says: nothing may be judged by it. It shows where the catalogue of then
and the one installed here differ, and that they do not where it matters.
"""

from __future__ import annotations

from certification_pipeline.catalog.parts import Parts
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir

_REMEDY = "Get the evidence again from where it was made; what a plan was sealed from is never edited"


def carried_parts(directory: SubjectDir, plan: CertificationPlan) -> Parts | None:
    """``catalog.json``, held to the plan; ``None`` where the plan names none.

    Raises ``EvidenceError`` when it is not the file whose digest is sealed in the plan.
    """
    if plan.catalog_parts is None:
        return None
    data = directory.read_bytes(layout.CATALOG)
    if sha256(data) != plan.catalog_parts:
        told = f"has the digest {sha256(data)}, the plan was sealed from {plan.catalog_parts}"
        raise EvidenceError(layout.CATALOG, None, told, _REMEDY)
    found = parse_value(data, layout.CATALOG)
    if not isinstance(found, dict):
        raise EvidenceError(layout.CATALOG, None, "holds no parts of a catalogue", _REMEDY)
    return found
