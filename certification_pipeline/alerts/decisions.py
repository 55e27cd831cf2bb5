"""Decisions about releases, newest first, as their files say; one that cannot be read is not green.

A summary is read once while it does not change: sensors ask every minute.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan, Selection, Trigger
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary

_SLACK = timedelta(days=1)
"""Between a file's own time and its time on disk."""
KEPT_SUMMARIES = 4096


class Scope(NamedTuple):
    """What makes two releases comparable: a daily one is sealed for less than a weekly one."""

    profile: str
    selection: Selection
    families: tuple[Family, ...]


class Sealed(NamedTuple):
    """What the plan says of a release."""

    scope: Scope
    trigger: Trigger


class Decided(NamedTuple):
    """One engine's decision in one release. ``unreadable`` says why there is none."""

    engine: str
    release_id: str
    at: datetime
    outcome: Outcome
    subject: str
    blockers: tuple[Blocker, ...] = ()
    unreadable: str | None = None

    @property
    def green(self) -> bool:
        """Whether it may go out."""
        return self.outcome is Outcome.PASSED


def decisions(store: EvidenceStore, since: datetime) -> list[Decided]:
    """Every decision made since then, newest first."""
    found = []
    for release in store.releases():
        for engine in store.engines(release):
            path = store.release(release, engine).summary_path
            try:
                stat = path.lstat()
            except OSError:
                continue  # not decided yet: a day that stays so is a missed tick
            changed = datetime.fromtimestamp(stat.st_mtime, UTC)
            if changed < since - _SLACK:
                continue
            one = _read(store.root, release, engine, stat.st_mtime_ns, stat.st_size)
            if one.at >= since:
                found.append(one)
    return sorted(found, key=lambda one: (one.at, one.release_id, one.engine), reverse=True)


def sealed_of(store: EvidenceStore, one: Decided) -> Sealed | None:
    """What its plan was sealed for, and who began it; ``None`` when the plan cannot be read."""
    path = store.release(one.release_id, one.engine).plan_path
    try:
        stat = path.lstat()
    except OSError:
        return None
    return _sealed(store.root, one.release_id, one.engine, stat.st_mtime_ns, stat.st_size)


def was_red_before(store: EvidenceStore, one: Decided) -> bool:
    """Whether an earlier chain entry of the very release was not green: it was mended, and decided again."""
    chain = ChainDir(store.root, one.engine)
    try:
        names = [name for name in chain.listing()[0] if name.release_id == one.release_id]
        return any(chain.entry(name).outcome is not Outcome.PASSED for name in names[:-1])
    except EvidenceError:
        return False


@lru_cache(maxsize=KEPT_SUMMARIES)
def _read(root: Path, release: str, engine: str, changed_ns: int, size: int) -> Decided:
    del size  # part of what tells one state of the file from another
    directory = EvidenceStore(root).release(release, engine)
    try:
        made = directory.read(directory.summary_path, ReleaseSummary)
    except EvidenceError as error:
        at = datetime.fromtimestamp(changed_ns / 1e9, UTC)
        return Decided(engine, release, at, Outcome.CANT_TELL, engine, unreadable=str(error))
    subject = f"{made.subject.engine} {made.subject.version}"
    return Decided(engine, release, made.created_at, made.outcome, subject, made.blockers)


@lru_cache(maxsize=KEPT_SUMMARIES)
def _sealed(root: Path, release: str, engine: str, changed_ns: int, size: int) -> Sealed | None:
    del changed_ns, size
    directory = EvidenceStore(root).release(release, engine)
    try:
        plan = directory.read(layout.PLAN, CertificationPlan)
    except EvidenceError:
        return None
    return Sealed(Scope(plan.profile, plan.selection, plan.families), plan.trigger)
