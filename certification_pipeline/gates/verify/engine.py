"""One engine: its chain, and every release of it, each held to that chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates import chain
from certification_pipeline.gates.chain import ChainVerification
from certification_pipeline.gates.levels.reading import RECOMPUTED
from certification_pipeline.gates.verify.finding import Finding, Kind, guarded, of_chain, of_error
from certification_pipeline.gates.verify.granted import Regranted, levels_now, regranted
from certification_pipeline.gates.verify.result import VerifiedChain, VerifiedLevel, VerifiedRelease
from certification_pipeline.gates.verify.subject import Look, look_at


class Link(NamedTuple):
    """What of an entry others rest on."""

    created_at: datetime
    release_id: str
    sequence: int
    chain_hash: Digest


@dataclass
class LookedAt:
    """What was found about one engine."""

    chain: VerifiedChain | None = None
    links: tuple[Link, ...] = ()
    releases: list[VerifiedRelease] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def look_at_engine(
    store: EvidenceStore, engine: str, release_id: str | None, look: Look, on_release: Callable[[str], None]
) -> LookedAt:
    """Verify its chain, then recompute every release of it, or the one that is named."""
    found = LookedAt()
    seen = _chain(store, engine, release_id, look, found)
    of_links = [one for one in found.findings if not _release_of(one.path) and one.kind is not Kind.UNSIGNED]
    for release in _releases(store, engine, release_id, found):
        on_release(release)
        place = f"{layout.RELEASES}/{release}/{engine}"
        changed = [one for one in found.findings if one.path == place or one.path.startswith(f"{place}/")]
        if seen is not None and all(link.release_id != release for link in found.links) and not of_links:
            told = f"the chain of {engine} has no entry of it: it was added, or never decided on"
            changed.append(Finding(kind=Kind.ADDED, path=place, message=told))
        try:
            directory = store.release(release, engine)
        except EvidenceError as error:
            found.findings.append(of_error(error, place, Kind.ADDED))
            continue
        looked = look_at(directory, look, [*changed, *of_links])
        found.releases.append(looked.release)
        found.findings += looked.findings
        found.notes += looked.notes
    found.releases = [_with_levels(store, one, look, found) for one in _counted(found, release_id)]
    _history(found)
    return found


def _history(found: LookedAt) -> None:
    """Earlier releases that are a part, or were judged by an earlier version: so it was, and decides nothing.

    What was touched in them, and what they grant a level for, stays a finding.
    """
    for one in found.releases:
        place = f"{layout.RELEASES}/{one.release_id}/{one.engine}/"
        mine = [
            finding
            for finding in found.findings
            if not one.counts and finding.kind in _AS_IT_WAS and finding.path.startswith(place)
        ]
        for finding in mine:
            found.findings.remove(finding)
            found.notes.append(f"history: {finding}")


_AS_IT_WAS = frozenset({Kind.OTHER_JUDGE, Kind.PART})


def _with_levels(store: EvidenceStore, one: VerifiedRelease, look: Look, found: LookedAt) -> VerifiedRelease:
    """Levels rest on the whole ledger: they are granted again for what counts, where nothing was touched."""
    if not one.counts or one.verified is Outcome.FAILED:
        return one
    place = f"{layout.RELEASES}/{one.release_id}/{one.engine}"
    directory = store.release(one.release_id, one.engine)
    again = Regranted()

    def grant() -> tuple[Finding, ...]:
        nonlocal again
        again = regranted(store, directory, look.keys, look.here, place)
        return again.findings

    levels: list[VerifiedLevel] = []
    with RECOMPUTED.remembering():
        told = guarded(f"{place}/{layout.CONNECTOR_LEVELS}", grant)
        found.findings += told
        found.notes += again.notes
        found.findings += guarded(place, lambda: _levels(store, directory, look, levels))
    worst = Outcome.worst([one.verified, *(finding.outcome for finding in told)])
    return one.model_copy(
        update={
            "levels": tuple(levels),
            "verified": worst,
            "outcome": Outcome.worst([one.outcome, worst, again.outcome]),
            "blockers": (*one.blockers, *again.overclaimed),
            "demands": again.demands,
        }
    )


def _levels(
    store: EvidenceStore, directory: SubjectDir, look: Look, into: list[VerifiedLevel]
) -> tuple[Finding, ...]:
    into += levels_now(store, directory, look.keys)
    return ()


def _counted(found: LookedAt, release_id: str | None) -> Iterator[VerifiedRelease]:
    """Mark what the verdict is about: the release that was asked for; else what was sealed or decided last.

    Both, as deciding an old green release again would otherwise put it before a red one that is newer.
    """
    sealed = [(one.sealed_at, one.release_id) for one in found.releases if one.sealed_at is not None]
    newest = {max(sealed)[1]} if sealed else set()
    newest |= {found.links[-1].release_id} if found.links else set()
    for one in found.releases:
        counts = one.release_id in ({release_id} if release_id else newest) or not newest
        yield one.model_copy(update={"counts": counts})


def _chain(
    store: EvidenceStore, engine: str, release_id: str | None, look: Look, found: LookedAt
) -> ChainVerification | None:
    try:
        seen = chain.verify(store, engine, keys=look.keys, release_id=release_id)
    except EvidenceError as error:
        where = f"{layout.CHAIN}/{engine}"
        gone = error.kind is ProblemKind.MISSING
        told = f"there is no chain: nothing holds the releases of {engine} together"
        found.findings.append(
            Finding(kind=Kind.DELETED, path=where, message=told) if gone else of_error(error, where)
        )
        return None
    found.findings += [of_chain(problem) for problem in seen.problems]
    found.links = tuple(
        Link(entry.created_at, entry.release_id, entry.sequence, entry.chain_hash) for entry in seen.entries
    )
    found.chain = VerifiedChain(
        engine=engine,
        entries=len(seen.entries),
        files=seen.files_checked,
        head=seen.head.chain_hash if seen.head else None,
    )
    found.notes += [f"{layout.CHAIN}/{engine}: {note}" for note in seen.notes]
    return seen


def _releases(store: EvidenceStore, engine: str, release_id: str | None, found: LookedAt) -> Iterator[str]:
    """Those in the chain and those on disk, by name."""
    there = {link.release_id for link in found.links}
    for name in store.releases():
        with suppress(EvidenceError):  # of a name that no release has, the inventory speaks
            there |= {name} if engine in store.engines(name) else set()
    for release in sorted(there):
        if release_id in {None, release}:
            yield release


def _release_of(path: str) -> bool:
    return path.startswith(f"{layout.RELEASES}/")
