"""Everything below an evidence root, looked at once: findings, releases, chains, one verdict.

One release is looked at after the other and forgotten but for its line, so that memory follows the largest
release and not their number.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import Anchor, CheckpointAnchor
from certification_pipeline.evidence.chain_dir import ChainDir, chained_engines
from certification_pipeline.evidence.checkpoint import origin_of
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import safe_segment
from certification_pipeline.evidence.provenance import producer
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_anchor import departure
from certification_pipeline.gates.chain_links import READ, read_links
from certification_pipeline.gates.verify import beside
from certification_pipeline.gates.verify.calibrations import calibrations
from certification_pipeline.gates.verify.engine import LookedAt, look_at_engine
from certification_pipeline.gates.verify.finding import Finding, Kind, guarded, of_chain
from certification_pipeline.gates.verify.inventory import strange
from certification_pipeline.gates.verify.judge import Planned
from certification_pipeline.gates.verify.result import VerifiedEvidence, VerifiedRelease
from certification_pipeline.gates.verify.seals import pages
from certification_pipeline.gates.verify.subject import Look, verdict_of

NO_KEY = (
    "no key was given: who made this evidence is not proved. Whoever can write here can make all of it anew, "
    "with other outcomes. Ask for the public key: certify verify --key FILE"
)
NO_ANCHOR = (
    "no anchor was given: releases cut off the end of a chain together with its head cannot be seen. Ask "
    "for a hash kept elsewhere: certify verify --anchor FILE"
)


@dataclass(frozen=True)
class Step:
    """Progress: what is being looked at; ``done`` of ``total`` engines are behind."""

    what: str
    done: int
    total: int


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Asked:
    """What to verify. ``anchors`` were kept elsewhere, each of one of the chains."""

    root: Path
    planned: Planned
    engines: tuple[str, ...] = ()
    release_id: str | None = None
    anchors: tuple[Anchor, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    """Whatever none of these signed is a finding."""
    part: bool = False
    """Accept a release that was narrowed to some of its cells as what it is."""

    @property
    def whole(self) -> bool:
        """Nothing is left out."""
        return not self.engines and self.release_id is None


@READ.remembering()
def verify_evidence(asked: Asked, on_step: OnStep = lambda _: None) -> VerifiedEvidence:
    """Look at everything; reads only. Raises ``EvidenceError`` when there is no evidence to look at."""
    store = EvidenceStore(asked.root)
    engines = _engines(store, asked)
    look = Look(asked.planned, producer(), uuid.uuid4().hex, part=asked.part, keys=asked.keys)
    on_step(Step("every name", 0, len(engines)))
    found, notes = _split(strange(store.root))
    looked: dict[str, LookedAt] = {}
    for number, engine in enumerate(engines):
        on_step(Step(f"the chain of {engine}", number, len(engines)))

        def on_release(release: str, engine: str = engine, number: int = number) -> None:
            on_step(Step(f"{release} of {engine}", number, len(engines)))

        looked[engine] = look_at_engine(store, engine, asked.release_id, look, on_release)
        found += looked[engine].findings
        notes += looked[engine].notes
    on_step(Step("what belongs to no engine", len(engines), len(engines)))
    releases = [release for one in looked.values() for release in one.releases]
    found += _beside(store, asked, looked, releases)
    found += _unanchored(store, asked, looked)
    if asked.whole:
        more, said = _split(calibrations(store.root))
        found += more
        notes += said
    found = list(dict.fromkeys(found))
    verified = verdict_of(found)
    counted = [release.outcome for release in releases if release.counts] or [Outcome.CANT_TELL]
    return VerifiedEvidence(
        directory=str(asked.root),
        verifier=look.here,
        verified=verified,
        outcome=Outcome.worst([verified, *counted]),
        findings=tuple(sorted(found, key=_order)),
        releases=tuple(sorted(releases, key=lambda one: (one.release_id, one.engine))),
        chains=tuple(one.chain for one in looked.values() if one.chain is not None),
        notes=tuple(notes),
        not_proved=tuple(_not_proved(asked, looked)),
    )


def _engines(store: EvidenceStore, asked: Asked) -> tuple[str, ...]:
    """All with a chain or with evidence: one whose chain is gone must not be passed over in silence."""
    if not (store.root / layout.RELEASES).is_dir() and not (store.root / layout.CHAIN).is_dir():
        remedy = (
            f"Give the directory that holds {layout.RELEASES}/ and {layout.CHAIN}/, by default .certification"
        )
        raise EvidenceError(str(asked.root), None, "holds no evidence", remedy, ProblemKind.MISSING)
    there = set(_named(chained_engines(store.root)))
    there |= {name for release in _named(store.releases()) for name in _named(store.engines(release))}
    if asked.release_id is not None and asked.release_id not in store.releases():
        known = ", ".join(store.releases()[-8:]) or "none"
        what = f"holds no release {asked.release_id!r}"
        raise EvidenceError(str(asked.root), None, what, f"There are: {known}", ProblemKind.MISSING)
    if absent := sorted(set(asked.engines) - there):
        what = f"has neither chain nor evidence of {', '.join(absent)}"
        known = ", ".join(sorted(there)) or "none"
        raise EvidenceError(str(asked.root), None, what, f"There are: {known}", ProblemKind.MISSING)
    return tuple(sorted(set(asked.engines) or there))


def _beside(
    store: EvidenceStore, asked: Asked, looked: dict[str, LookedAt], releases: list[VerifiedRelease]
) -> Iterator[Finding]:
    links = {engine: one.links for engine, one in looked.items()}
    for release in sorted({one.release_id for one in releases}):
        place = f"{layout.RELEASES}/{release}"
        yield from guarded(place, lambda release=release: pages(store, release, asked.keys))  # type: ignore[misc]
    touched = {(one.release_id, one.engine) for one in releases if one.verified is Outcome.FAILED}
    if asked.whole:
        sealed: dict[str, datetime] = {}
        for one in releases:
            if one.sealed_at is not None:
                sealed[one.release_id] = max(one.sealed_at, sealed.get(one.release_id, one.sealed_at))
        yield from guarded(layout.LATEST, lambda: beside.latest(store, links, sealed))
        yield from beside.published(store, links, touched)
        yield from guarded(layout.BASELINES, lambda: beside.pins(store))


def _unanchored(store: EvidenceStore, asked: Asked, looked: Mapping[str, LookedAt]) -> Iterator[Finding]:
    """Each anchor is of one chain; that chain must be the one it was taken from, grown."""
    for anchor in asked.anchors:
        engines = _chains_of(anchor, looked)
        if engines:
            for engine in engines:
                yield from guarded(
                    f"{layout.CHAIN}/{engine}",
                    lambda anchor=anchor, engine=engine: _departed(store, anchor, engine),  # type: ignore[misc]
                )
        elif isinstance(anchor, CheckpointAnchor):
            told = f"the anchor is of {anchor.checkpoint.origin!r}, and no such chain was looked at"
            yield Finding(kind=Kind.UNANCHORED, path=layout.CHAIN, message=told)
        else:
            told = f"no chain here has an entry with the hash {anchor.chain_hash}"
            remedy = "Say which chain the anchor is of: certify verify --engine NAME"
            yield Finding(kind=Kind.UNANCHORED, path=layout.CHAIN, message=told, remedy=remedy)


def _chains_of(anchor: Anchor, looked: Mapping[str, LookedAt]) -> list[str]:
    """The engines whose chain it is of. A bare hash is of the one that holds it, or of the only one."""
    if isinstance(anchor, CheckpointAnchor):
        return [engine for engine in looked if origin_of(engine) == anchor.checkpoint.origin]
    holding = [
        engine
        for engine, one in looked.items()
        if any(link.chain_hash == anchor.chain_hash for link in one.links)
    ]
    return holding or (list(looked) if len(looked) == 1 else [])


def _departed(store: EvidenceStore, anchor: Anchor, engine: str) -> Iterator[Finding]:
    chain = ChainDir(store.root, engine)
    problem = departure(anchor, chain, read_links(chain))
    if problem is not None:
        yield of_chain(problem)


def _not_proved(asked: Asked, looked: Mapping[str, LookedAt]) -> Iterator[str]:
    if not asked.keys:
        yield NO_KEY
    if not asked.anchors:
        yield NO_ANCHOR
        return
    anchored = {engine for anchor in asked.anchors for engine in _chains_of(anchor, looked)}
    for engine in sorted(looked.keys() - anchored):
        yield f"no anchor is of the chain of {engine}: releases cut off its end cannot be seen"


def _named(names: Iterable[str]) -> Iterator[str]:
    """Those that can name an engine or a release; of the others the inventory speaks."""
    for name in names:
        with suppress(EvidenceError):
            yield safe_segment(name, "name")


def _split(found: Iterable[Finding | str]) -> tuple[list[Finding], list[str]]:
    findings, notes = [], []
    for one in found:
        notes.append(one) if isinstance(one, str) else findings.append(one)
    return findings, notes


def _order(finding: Finding) -> tuple[bool, str]:
    """What was tampered with before what nobody can tell."""
    return finding.outcome is not Outcome.FAILED, finding.path
