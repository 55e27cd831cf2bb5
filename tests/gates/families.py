"""Releases that need more than the matrix, with families whose verifiers a test decides."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import Recompute, Verification
from certification_pipeline.gates.verifiers import Registry
from tests.evidence.builders import RELEASE, SMALL, cell, plan, provenance
from tests.gates.releases import report, write_json


def planned(root: Path, families: Collection[Family], *, reported: bool = True) -> SubjectDir:
    """Cells and report of a release whose sealed plan holds these families."""
    from certification_pipeline.evidence.store import EvidenceStore

    directory = EvidenceStore(root).release(RELEASE, "reference")
    made = plan(SMALL).model_copy(update={"families": tuple(families)})
    sealed = directory.seal_plan(made.model_copy(update={"plan_digest": made.recompute_digest()}))
    for each in SMALL[:2]:
        directory.write(cell(sealed, each))
    if reported:
        report(directory)
    return directory


def artifact(directory: SubjectDir, family: Family, **changes: Any) -> Path:
    """An artifact that says the best of itself."""
    path = directory.path / layout.FAMILY_ARTIFACTS[family]
    value = {
        "schema_version": layout.schema_name(path.name),
        "release_id": directory.release_id,
        "created_at": provenance(50).created_at.isoformat(),
        "passed": True,
        "outcome": "passed",
        "blockers": [],
    }
    write_json(path, value | changes)
    return path


def finding(outcome: Outcome = Outcome.PASSED, *problems: str) -> Recompute:
    """Who recomputes and has made up its mind."""
    return lambda directory, *_: Verification(outcome, directory.release_id, problems)


def believing(*families: Family, outcome: Outcome = Outcome.PASSED) -> Registry:
    """The real registry, with verifiers of these families that find ``outcome``."""
    names = [layout.schema_name(layout.FAMILY_ARTIFACTS[family]) for family in families]
    return VERIFIERS.having(dict.fromkeys(names, finding(outcome)))


def knowing(*families: Family) -> Registry:
    """The real registry without verifiers of these families."""
    names = {layout.schema_name(layout.FAMILY_ARTIFACTS[family]) for family in families}
    return VERIFIERS.without(names)
