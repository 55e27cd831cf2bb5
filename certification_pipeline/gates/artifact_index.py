"""The inventory of one subject's evidence: every file, re-hashed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import is_temporary
from certification_pipeline.evidence.index import ArtifactIndex, IndexEntry
from certification_pipeline.evidence.next_step import rerun_release
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import differences, provenance_of, read_plan, unknown_subject

MADE_AFTERWARDS = frozenset(
    {
        layout.ARTIFACT_INDEX,
        layout.ARTIFACT_INDEX.replace(".json", ".md"),
        *layout.LEFT_OUT_OF_CHAIN,
    }
)
"""The index itself and what rests on it."""


def artifact_index(directory: SubjectDir, provenance: Provenance) -> ArtifactIndex:
    """List and hash every file below ``directory``; red when one is a link or of another release."""
    entries: list[IndexEntry] = []
    blockers: list[Blocker] = []
    again = rerun_release(directory.engine, directory.release_id)
    for path in sorted(set(files_below(directory.path)) - MADE_AFTERWARDS):
        name = path.encode("utf-8", "backslashreplace").decode()
        if name != path:
            code, told = f"artifact_index.not_verified:{name}", f"{name} has a name that is no text"
            blockers.append(Blocker(code=code, message=told, next_step=f"Remove it, then: {again}"))
            continue
        try:
            entry = _entry(directory, path)
        except EvidenceError as error:
            blockers.append(
                Blocker(code=f"artifact_index.not_verified:{path}", message=str(error), next_step=again)
            )
            continue
        entries.append(entry)
        if entry.release is not None and entry.release != directory.release_id:
            message = f"{path} says it is of release {entry.release!r}"
            code = f"artifact_index.release_id_mismatch:{path}"
            blockers.append(
                Blocker(code=code, message=message, next_step=f"Remove {path}, or run again: {again}")
            )
    if not entries:
        code = "artifact_index.missing"
        blockers.append(Blocker(code=code, message="There is no evidence at all", next_step=again))
    subject, profile = _about(directory)
    return ArtifactIndex(
        **provenance.header(ArtifactIndex, directory.release_id, subject, profile),
        **verdict(Outcome.FAILED if blockers else Outcome.PASSED, blockers),
        file_count=len(entries),
        total_bytes=sum(entry.size_bytes for entry in entries),
        entries=tuple(entries),
    )


def verify_index(directory: SubjectDir, index: ArtifactIndex) -> tuple[str, ...]:
    """What differs between the index and the files as they are now; nothing means verified."""
    now = artifact_index(directory, provenance_of(index))
    listed = {entry.path: entry for entry in index.entries}
    there = {entry.path: entry for entry in now.entries}
    problems = [f"{path} is listed and gone" for path in sorted(listed.keys() - there.keys())]
    problems += [f"{path} is there and not listed" for path in sorted(there.keys() - listed.keys())]
    problems += [
        f"{path} was changed after it was listed"
        for path in sorted(listed.keys() & there.keys())
        if (listed[path].sha256, listed[path].size_bytes) != (there[path].sha256, there[path].size_bytes)
    ]
    return tuple(problems) or differences(index, now)


def files_below(root: Path, below: str = "") -> Iterator[str]:
    """Relative paths of all that is no directory, links too; not what is being written right now."""
    try:
        with os.scandir(root / below) as found:
            entries = list(found)
    except FileNotFoundError:
        return
    except OSError as error:
        raise EvidenceError.from_os(str(root / below), error, "list") from None
    for entry in entries:
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(root, path)
        elif not is_temporary(entry.name):
            yield path


def _entry(directory: SubjectDir, path: str) -> IndexEntry:
    data = directory.read_bytes(path)
    name = path.rpartition("/")[2]
    header = _header(data, path) if name.endswith(".json") else {}
    schema = _text(header.get("schema_version")) or ""
    parts = schema.split(".")
    kind = parts[1] if len(parts) == 3 else _kind(name)  # noqa: PLR2004
    return IndexEntry(
        name=name,
        path=path,
        artifact_type=kind,
        sha256=sha256(data),
        size_bytes=len(data),
        release=_text(header.get("release_id")),
        run_id=_text(header.get("run_id")),
    )


def _kind(name: str) -> str:
    if name.endswith(".intoto.jsonl"):
        return "attestations"
    suffix = name.rpartition(".")[2]
    return {"md": "markdown", "jsonl": "events"}.get(suffix, suffix)


def _header(data: bytes, path: str) -> dict[str, JsonValue]:
    value = parse_value(data, path)
    return value if isinstance(value, dict) else {}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _about(directory: SubjectDir) -> tuple[Subject, str]:
    try:
        plan = read_plan(directory).plan
    except EvidenceError:
        return unknown_subject(directory), "unknown"
    return plan.subject, plan.profile
