"""What belongs to no engine: pages and comparison of a release, ``latest``, what was published or pinned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark_pin import (
    LARGEST_SNAPSHOT,
    PINNED,
    read_pin,
)
from certification_pipeline.evidence.canonical import parse, sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.provenance import producer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ChainLink, ReleaseSummary
from certification_pipeline.gates.chain_files import shown
from certification_pipeline.gates.release_summary import release_summary
from certification_pipeline.gates.verification import differences, provenance_of
from certification_pipeline.gates.verify.engine import Link
from certification_pipeline.gates.verify.finding import Finding, Kind, disagreeing, guarded, of_error
from certification_pipeline.gates.verify.judge import contradicted

Links = Mapping[str, tuple[Link, ...]]
"""Engine -> the sound entries of its chain."""


def latest(store: EvidenceStore, links: Links, sealed: Mapping[str, datetime]) -> Iterator[Finding]:
    """``latest`` names the release that was sealed last, or decided last.

    ``sealed``: release -> when its newest plan was sealed.
    """
    try:
        named = store.latest()
        if named is not None and f"{named}\n" != (store.root / layout.LATEST).read_bytes().decode():
            yield Finding(kind=Kind.EDITED, path=layout.LATEST, message="it is not spelled as it was written")
    except EvidenceError as error:
        yield of_error(error, layout.LATEST)
        return
    if not sealed:
        return
    decided = [(link.created_at, link.release_id) for chain in links.values() for link in chain]
    newest = {max(sealed, key=lambda release: (sealed[release], release))}
    newest |= {max(decided)[1]} if decided else set()
    expected = " or ".join(repr(name) for name in sorted(newest))
    if named is None:
        yield Finding(kind=Kind.DELETED, path=layout.LATEST, message=f"it is to name {expected}")
    elif named not in newest:
        told = f"says {named!r}, the newest release is {expected}"
        yield Finding(kind=Kind.EDITED, path=layout.LATEST, message=told)


def published(store: EvidenceStore, links: Links, touched: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Every publication is a green decision that follows from a release that is there, as of its entry.

    ``touched``: releases and engines whose evidence was tampered with; nothing is recomputed from it.
    """
    for path in _files(store.root / layout.PUBLISHED, ".json"):
        where = f"{layout.PUBLISHED}/{shown(path.name)}"
        yield from guarded(where, partial(_publication, store, links, touched, path, where))


def _publication(
    store: EvidenceStore, links: Links, touched: Collection[tuple[str, str]], path: Path, where: str
) -> Iterator[Finding]:
    again = "Publish again from a release that verifies"
    engine = path.stem
    found = parse(read_no_follow(path, where, layout.LARGEST_CELL), ReleaseSummary, where)
    if found.subject.engine != engine:
        told = f"says {found.subject.engine!r}, is {engine!r}"
        yield Finding(kind=Kind.EDITED, path=where, field="subject.engine", message=told, remedy=again)
        return
    if found.outcome is not Outcome.PASSED:
        told = f"says {found.outcome.value!r}: only what is green is published"
        yield Finding(kind=Kind.FORGED, path=where, field="outcome", message=told, remedy=again)
        return
    mine = [
        ChainLink(sequence=link.sequence, chain_hash=link.chain_hash)
        for link in links.get(engine, ())
        if link.release_id == found.release_id
    ]
    if found.chain not in mine:
        told = f"rests on {_link(found.chain)}, which the chain of {engine} does not hold"
        yield Finding(kind=Kind.FORGED, path=where, field="chain", message=told, remedy=again)
    elif found.chain != mine[-1]:
        told = f"rests on {_link(found.chain)}; {found.release_id} was decided again in {_link(mine[-1])}"
        yield Finding(
            kind=Kind.UNVOUCHED,
            path=where,
            field="chain",
            message=told,
            remedy=again,
            outcome=Outcome.CANT_TELL,
        )
    elif (found.release_id, engine) in touched:
        yield Finding(
            kind=Kind.UNVOUCHED,
            path=where,
            message=f"{found.release_id}, which it publishes, was tampered with",
            remedy=again,
            outcome=Outcome.CANT_TELL,
        )
    else:
        directory = store.release(found.release_id, engine)
        recomputed = release_summary(directory, provenance_of(found))
        recomputed = recomputed.model_copy(update={"markdown_sha256": found.markdown_sha256})
        wrong = list(disagreeing(where, differences(found, recomputed)))
        yield from contradicted(wrong, where, found.producer, producer())


def pins(store: EvidenceStore) -> Iterator[Finding]:
    """Pinned baselines: the artefact is the one that was pinned; every artefact is named by its digest."""
    for folder in _directories(store.root / layout.BASELINES):
        engine = folder.name
        where = f"{layout.BASELINES}/{shown(engine)}"
        try:
            if read_pin(store.root, engine) is None:
                yield Finding(kind=Kind.DELETED, path=f"{where}/{PINNED}", message="artefacts without a pin")
        except EvidenceError as error:
            bad = Path(error.path)
            yield of_error(error, f"{where}/{bad.name}" if bad.parent == folder else where)
        for path in _files(folder, ".zip"):
            try:
                digest = sha256(read_no_follow(path, path.name, LARGEST_SNAPSHOT))
            except EvidenceError as error:
                yield of_error(error, f"{where}/{shown(path.name)}")
                continue
            name = f"{digest.removeprefix('sha256:')[:16]}.zip"
            if name != path.name:
                told = f"its content has the digest {digest}: it would be named {name}"
                yield Finding(kind=Kind.EDITED, path=f"{where}/{shown(path.name)}", message=told)


def _link(link: ChainLink | None) -> str:
    return f"entry {link.sequence} ({link.chain_hash[:19]}…)" if link else "no entry"


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if path.suffix == suffix and not path.is_dir()]
    except OSError:  # not there, or no directory: the inventory says so
        return []
    return sorted(found)


def _directories(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []
