"""The levels of the last published release: what a change of level is measured against."""

from __future__ import annotations

from typing import NamedTuple

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.store import EvidenceStore

_LARGEST = 16 << 20


class Published(NamedTuple):
    """Release and level of each connector; ``problem`` when they are there and cannot be read."""

    release_id: str | None
    levels: dict[str, str]
    problem: str | None = None


def published_levels(store: EvidenceStore, engine: str) -> Published:
    """Nothing published, or published without connector evidence: no levels to compare with."""
    path = store.root / layout.PUBLISHED / f"{engine}.json"
    release: str | None = None
    try:
        value = parse_value(read_no_follow(path, str(path), _LARGEST), str(path))
        named = value.get("release_id") if isinstance(value, dict) else None
        if not isinstance(named, str):
            return Published(None, {}, f"{path} names no release")
        release = named
        made = store.release(release, engine).read(
            f"{ConnectorCertification.KIND}.json", ConnectorCertification
        )
    except EvidenceError as error:
        missing = error.kind is ProblemKind.MISSING
        return Published(release if missing else None, {}, None if missing else str(error))
    return Published(release, {c.name: c.level for c in made.scope if c.level is not None})
