"""Somebody's own dbt run, judged from the artifacts it left: a claim, and judged strictly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.dbt.assess import required_roles
from certification_pipeline.evidence.dbt.decision import dbt_lineage
from certification_pipeline.evidence.dbt_lineage import (
    DBT_FOLDER,
    DbtFile,
    DbtLineage,
    DbtTarget,
    FileRole,
)
from certification_pipeline.evidence.earlier import keep_failure
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.dbt_lineage.keeping import masked, with_digests, write
from certification_pipeline.redaction import Redactor

GIVEN: Literal["given"] = "given"


def judge_given(
    directory: SubjectDir, run_id: str, files: Mapping[FileRole, Path | None], loaded: Sequence[str] = ()
) -> DbtLineage:
    """Judge the artifacts of one dbt run for the subject of the sealed plan, and keep copies beside it.

    ``files`` are by role; one that is ``None`` or not there is a red ``missing``, not an error: a dbt that
    broke off writes none. ``loaded`` names tables (``schema.table``) the caller says a load wrote. Raises
    ``EvidenceError`` when there is no plan, or a file is there and cannot be read.
    """
    plan = directory.read(layout.PLAN, CertificationPlan)
    redactor = Redactor()
    content = {}
    for role, path in files.items():
        data = _read(path) if path is not None else None
        if data is not None:
            content[_place(role)] = masked(data, redactor)
    seen = DbtTarget(
        target=GIVEN,
        adapter=None,
        dbt_version=None,
        claimed_tables=tuple(loaded),
        files=tuple(DbtFile(role=role, path=_place(role), sha256=None) for role in required_roles(GIVEN)),
        outcome=Outcome.UNTESTED,
    )
    made, events = dbt_lineage(
        plan,
        stamp(run_id),
        source=GIVEN,
        seen=[with_digests(seen, content)],
        content=content,
        tool_digest=None,
    )
    _keep_what_was_run(directory)
    return write(directory, made, content, events)


def _keep_what_was_run(directory: SubjectDir) -> None:
    """A failure of ours still counts when a claim is put in its place; a claim that is mended does not."""
    with suppress(EvidenceError):  # nothing there, or nothing anybody could vouch for
        path = layout.FAMILY_ARTIFACTS[Family.DBT_LINEAGE]
        if directory.read(path, DbtLineage).source == "executed":
            keep_failure(directory, path)


def _place(role: FileRole) -> str:
    return f"{DBT_FOLDER}/{GIVEN}/{role}.json"


def _read(path: Path) -> bytes | None:
    try:
        return read_no_follow(path.resolve(), str(path), layout.LARGEST_ARTIFACT)
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return None
        raise
