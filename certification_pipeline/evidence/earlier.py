"""Reruns of a family: an artifact that failed is set aside, not overwritten, so that it still counts (law 9).

A cell carries its attempts inside (``attempts.py``); a family's artifact is kept whole beside the new one.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import resolve_inside, write_atomically
from certification_pipeline.evidence.subject_dir import SubjectDir

_DIGITS = 16


class EarlierFailure(NamedTuple):
    """An artifact of this release and subject that failed before it was made again."""

    path: str
    run_id: str


def keep_failure(directory: SubjectDir, path: str) -> None:
    """Copy the artifact at ``path`` to ``superseded/`` if it says that it failed; before it is made again.

    Named by its content, so that keeping it twice is keeping it once. Raises EvidenceError when the system
    refuses; what is not there, or is no artifact, has nothing to keep.
    """
    try:
        data = directory.read_bytes(path)
        value = parse_value(data, path)
    except EvidenceError:  # nothing there, or nothing anybody could vouch for
        return
    if isinstance(value, dict) and value.get("outcome") == Outcome.FAILED.value:
        name = f"{PurePosixPath(path).stem}.{sha256(data).removeprefix('sha256:')[:_DIGITS]}.json"
        write_atomically(resolve_inside(directory.path, f"{layout.SUPERSEDED}/{name}"), data)


def earlier_failures(directory: SubjectDir, path: str, subject: Subject) -> tuple[EarlierFailure, ...]:
    """What :func:`keep_failure` kept of ``path`` about this very subject, sorted by path."""
    folder = directory.path / layout.SUPERSEDED
    found = []
    for name in sorted(file.name for file in folder.glob(f"{PurePosixPath(path).stem}.*.json")):
        kept = f"{layout.SUPERSEDED}/{name}"
        value = parse_value(directory.read_bytes(kept), kept)
        if isinstance(value, dict) and value.get("subject") == subject.model_dump(mode="json"):
            found.append(EarlierFailure(kept, str(value.get("run_id"))))
    return tuple(found)
