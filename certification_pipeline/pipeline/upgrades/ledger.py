"""Which versions of an engine have been certified: the decided releases of it, of whatever name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from certification_pipeline.catalog.engines import unversioned
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary


@dataclass(frozen=True, slots=True)
class Certified:
    """One decided release of one version."""

    version: str
    outcome: Outcome
    release_id: str
    engine: str
    """The subject it was certified as: ``dlt`` or ``dlt==1.31.0``."""
    at: datetime


def certified(store: EvidenceStore) -> dict[str, tuple[Certified, ...]]:
    """Engine, without a version in its name -> its decided releases, the newest first.

    A release that was never decided, or whose summary cannot be read, certifies nothing.
    """
    found: dict[str, list[Certified]] = {}
    for one in _decided(store):
        found.setdefault(unversioned(one.engine), []).append(one)
    return {name: tuple(sorted(all_, key=lambda one: one.at, reverse=True)) for name, all_ in found.items()}


def _decided(store: EvidenceStore) -> Iterator[Certified]:
    for release in store.releases():
        for engine in store.engines(release):
            with suppress(EvidenceError):
                directory = store.release(release, engine)
                summary = directory.read(directory.summary_path, ReleaseSummary)
                version = summary.subject.version.removeprefix("v")
                yield Certified(version, summary.outcome, release, engine, summary.created_at)
