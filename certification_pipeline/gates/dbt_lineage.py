"""The dbt lineage gate: dbt's own artifacts are read again, and all that follows must come out the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.dbt.artifacts import RunResults, read_dbt
from certification_pipeline.evidence.dbt.assess import required_roles
from certification_pipeline.evidence.dbt.decision import dbt_lineage
from certification_pipeline.evidence.dbt_lineage import DBT_EVENTS, DbtLineage
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
)


def verify_dbt_lineage(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Recompute nodes, edges, tests, blockers, events and verdict from the files named inside, by digest."""
    found = directory.load(file.data, file.path, DbtLineage)
    content, problems = _content(directory, found)
    recomputed, events = dbt_lineage(
        sealed.plan,
        provenance_of(found),
        source=found.source,
        seen=found.targets,
        content=content,
        tool_digest=found.tool_digest,
    )
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(
            *before_the_plan(found, sealed.plan),
            *_given(found, sealed),
            *problems,
            *_incomplete(found),
            *_foreign(found, sealed, content),
            *_events(directory, found, events),
            *differences(found, recomputed),
        ),
        because=recomputed.blockers,
        summary={
            "source": recomputed.source,
            "targets": [target.target for target in recomputed.targets],
            "left_out": [each.target for each in recomputed.left_out],
            "models": len(recomputed.models),
            "tests": recomputed.test_count,
            "column_edges": sum(len(target.column_edges) for target in recomputed.targets),
        },
    )


def _content(directory: SubjectDir, found: DbtLineage) -> tuple[dict[str, bytes], list[str]]:
    """The files' bytes, and where they are not those the artifact was made from."""
    content: dict[str, bytes] = {}
    problems = []
    for named in (named for target in found.targets for named in target.files):
        try:
            data = directory.read_bytes(named.path)
        except EvidenceError as error:
            # What was not there when the artifact was made is its own finding, not a disagreement.
            if error.kind is not ProblemKind.MISSING:
                problems.append(str(error))
            elif named.sha256 is not None:
                problems.append(f"{named.path}: is gone")
            continue
        content[named.path] = data
        if named.sha256 is None:
            problems.append(f"{named.path}: was not there when the artifact was made")
        elif sha256(data) != named.sha256:
            problems.append(f"{named.path}: is not the file the artifact was made from")
    return content, problems


def _given(found: DbtLineage, sealed: SealedPlan) -> Iterator[str]:
    """Somebody's own dbt run cannot stand for the one this release was sealed to make."""
    if found.source == "given" and Family.DBT_LINEAGE in sealed.plan.families:
        yield "source: is given, but the plan calls for a dbt run of ours over tables that were judged"


def _incomplete(found: DbtLineage) -> Iterator[str]:
    """An artifact whose list of files was shortened would never be asked for them."""
    paths = [named.path for target in found.targets for named in target.files]
    if len(paths) != len(set(paths)):
        yield "files: one file stands for two"
    for target in found.targets:
        missing = set(required_roles(found.source)) - {named.role for named in target.files}
        if missing:
            yield f"targets.{target.target}: names no {', '.join(sorted(missing))}"


def _foreign(found: DbtLineage, sealed: SealedPlan, content: Mapping[str, bytes]) -> Iterator[str]:
    """Loads and dbt runs of before the plan, or of another system than the target's."""
    if found.source == "given":
        return
    for target in found.targets:
        path = next((named.path for named in target.files if named.role == "run_results"), "")
        with suppress(EvidenceError):  # what cannot be read is a blocker already
            made = read_dbt(content.get(path, b""), RunResults, path).metadata.generated_at
            if made < sealed.plan.created_at:
                yield f"{path}: is of before the plan was sealed"
        if target.adapter not in (None, target.target):
            yield f"targets.{target.target}: dbt ran on {target.adapter}"
        for load in target.loads:
            if load.started_at is None or load.started_at < sealed.plan.created_at:
                yield f"targets.{target.target}: {load.step} began before the plan was sealed"
            if load.sink is not None and load.sink.system != target.target:
                yield f"targets.{target.target}: {load.step} went to {load.sink.system}"


def _events(directory: SubjectDir, found: DbtLineage, expected: bytes) -> Iterator[str]:
    if found.events is None:
        return
    if found.events.path != DBT_EVENTS:
        yield f"events.path: must be {DBT_EVENTS}"
        return
    try:
        if directory.read_bytes(DBT_EVENTS) != expected:
            yield f"{DBT_EVENTS}: is not what follows from dbt's artifacts"
    except EvidenceError as error:
        yield str(error)
