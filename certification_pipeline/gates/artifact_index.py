"""The inventory of one subject's evidence: every file, re-hashed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.canonical import parse_head, sha256
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import is_temporary
from certification_pipeline.evidence.index import ArtifactIndex, IndexEntry
from certification_pipeline.evidence.next_step import rerun_release
from certification_pipeline.evidence.pieces import slim
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import (
    differences,
    provenance_of,
    read_plan,
    surely_same,
    unknown_subject,
)

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
    inventory = _Inventory(directory)
    return inventory.index(provenance, tuple(inventory.entries()))


def verify_index(directory: SubjectDir, index: ArtifactIndex) -> tuple[str, ...]:
    """What differs between the index and the files as they are now; nothing means verified."""
    inventory = _Inventory(directory)
    if all(surely_same(says, is_) for says, is_ in zip_longest(index.entries, inventory.entries())):
        rest = index.model_copy(update={"entries": ()})
        return differences(rest, inventory.index(provenance_of(index)))
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


class _Inventory:
    """An index in the making: entries go through, and only what they add up to is kept."""

    def __init__(self, directory: SubjectDir) -> None:
        self._directory = directory
        self._again = rerun_release(directory.engine, directory.release_id)
        self._blockers: list[Blocker] = []
        self._files = self._bytes = 0

    def entries(self) -> Iterator[IndexEntry]:
        """Every file in the order of their paths; what cannot be listed is noted."""
        for path in sorted(set(files_below(self._directory.path)) - MADE_AFTERWARDS):
            name = path.encode("utf-8", "backslashreplace").decode()
            if name != path:
                told, mend = f"{name} has a name that is no text", f"Remove it, then: {self._again}"
                self._note("not_verified", name, told, mend)
                continue
            try:
                entry = _entry(self._directory, path)
            except EvidenceError as error:
                self._note("not_verified", path, str(error), self._again)
                continue
            if entry.release is not None and entry.release != self._directory.release_id:
                told = f"{path} says it is of release {entry.release!r}"
                self._note("release_id_mismatch", path, told, f"Remove {path}, or run again: {self._again}")
            self._files += 1
            self._bytes += entry.size_bytes
            yield entry

    def index(self, provenance: Provenance, entries: tuple[IndexEntry, ...] = ()) -> ArtifactIndex:
        """When all went through: what they add up to, with ``entries`` in it."""
        blockers = list(self._blockers)
        if not self._files:
            told = "There is no evidence at all"
            blockers.append(Blocker(code="artifact_index.missing", message=told, next_step=self._again))
        subject, profile = _about(self._directory)
        return ArtifactIndex(
            **provenance.header(ArtifactIndex, self._directory.release_id, subject, profile),
            **verdict(Outcome.FAILED if blockers else Outcome.PASSED, blockers),
            file_count=self._files,
            total_bytes=self._bytes,
            entries=entries,
        )

    def _note(self, word: str, path: str, message: str, next_step: str) -> None:
        code = f"artifact_index.{word}:{path}"
        self._blockers.append(Blocker(code=code, message=message, next_step=next_step))


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
    name = path.rpartition("/")[2]
    header: dict[str, JsonValue] = {}
    if name.endswith(".json"):
        data = directory.read_bytes(path)
        header, digest, size = _header(data, path), sha256(data), len(data)
    else:
        digest, size = directory.digest(path)
    schema = _text(header.get("schema_version")) or ""
    parts = schema.split(".")
    kind = parts[1] if len(parts) == 3 else _kind(name)  # noqa: PLR2004
    made = IndexEntry(
        name=name,
        path=path,
        artifact_type=kind,
        sha256=digest,
        size_bytes=size,
        release=_text(header.get("release_id")),
        run_id=_text(header.get("run_id")),
    )
    slim(made)
    return made


def _kind(name: str) -> str:
    if name.endswith(".intoto.jsonl"):
        return "attestations"
    suffix = name.rpartition(".")[2]
    return {"md": "markdown", "jsonl": "events"}.get(suffix, suffix)


def _header(data: bytes, path: str) -> dict[str, JsonValue]:
    value = parse_head(data, path)
    return value if isinstance(value, dict) else {}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _about(directory: SubjectDir) -> tuple[Subject, str]:
    try:
        plan = read_plan(directory).plan
    except EvidenceError:
        return unknown_subject(directory), "unknown"
    return plan.subject, plan.profile
