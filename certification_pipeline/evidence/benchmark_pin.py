"""The pinned baseline of an engine: the artefact of a published release, kept so that it can be run again.

``<root>/baselines/<engine>/pinned.json`` names the file beside it that holds the artefact.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Model
from certification_pipeline.evidence.canonical import parse, render, seal, sha256
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow, safe_segment, write_atomically

PINNED = "pinned.json"
LARGEST_SNAPSHOT = 64 << 20
_REMEDY = "Pin a green release again: `certify benchmark --pin`"

KnownDigest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]


class PinnedBaseline(Model):
    """What later releases of this engine are measured against."""

    engine: str
    version: str
    artifact_digest: KnownDigest
    sha256: KnownDigest
    release_id: str
    pinned_at: AwareDatetime
    content_digest: str = Field(
        "",
        pattern=f"{DIGEST_PATTERN}|^$",
        description="sha256 of this file with the value of this field emptied: finds edits, proves no author",
    )

    @property
    def file(self) -> str:
        """Name of the artefact's file, beside ``pinned.json``."""
        return f"{self.sha256.removeprefix('sha256:')[:16]}.zip"


def write_pin(root: Path, pin: PinnedBaseline, artefact: bytes) -> PinnedBaseline:
    """Keep the artefact, then point at it: killed in between, the earlier pin is in force.

    Returns the pin as it was written.
    """
    folder = root / layout.BASELINES / safe_segment(pin.engine, "engine name")
    write_atomically(folder / pin.file, artefact)
    data, digest = seal(render(pin.model_copy(update={"content_digest": ""})))
    write_atomically(folder / PINNED, data)
    return pin.model_copy(update={"content_digest": digest})


def read_pin(root: Path, engine: str) -> tuple[PinnedBaseline, bytes] | None:
    """The pin in force and its artefact, or ``None`` when nothing was ever pinned.

    Raises ``EvidenceError`` when either is damaged: a lost baseline is not a first release.
    """
    folder = root / layout.BASELINES / safe_segment(engine, "engine name")
    path = folder / PINNED
    try:
        data = read_no_follow(path, str(path), 1 << 16)
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return None
        raise
    try:
        pin = parse(data, PinnedBaseline, str(path))
    except EvidenceError as error:
        raise EvidenceError(str(path), error.field, error.problem, _REMEDY) from None
    if pin.engine != engine:
        raise EvidenceError(str(path), "engine", f"is {pin.engine!r}, not {engine!r}", _REMEDY)
    artefact = read_no_follow(folder / pin.file, str(folder / pin.file), LARGEST_SNAPSHOT)
    if sha256(artefact) != pin.sha256:
        raise EvidenceError(str(folder / pin.file), None, "is not the file that was pinned", _REMEDY)
    return pin, artefact
