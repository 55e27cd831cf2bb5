"""Production attestations: written once, signed, and believed only under a key that was given.

``<root>/attestations/<engine>/<route>__<deployment>__<date>.intoto.jsonl`` holds one envelope. No chain entry
holds it: it belongs to no release. Taking one away can only cost a level.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.canonical import parse, sha256
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import create_atomically, read_no_follow, safe_segment
from certification_pipeline.evidence.seal.dsse import read_envelope, sign, verified_by
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.seal.production import (
    ProductionPredicate,
    ProductionStatement,
    production_statement,
)
from certification_pipeline.evidence.seal.statement import EngineName
from certification_pipeline.gates.levels.history import Attested

PRODUCTION = "production"
_SUFFIX = ".intoto.jsonl"
_LARGEST = 1 << 20
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Deployment(NamedTuple):
    """What is attested."""

    route: str
    name: str
    owner: str
    since: datetime
    until: datetime


class NotTrusted(NamedTuple):
    """A statement that counts for nothing, and why."""

    path: str
    why: str


class Signed(NamedTuple):
    """Every statement about an engine: those that count, and those that do not."""

    trusted: tuple[Attested, ...]
    others: tuple[NotTrusted, ...]


def attest(root: Path, subject: Subject, what: Deployment, signer: Signer) -> Path:
    """Write a signed statement; ``EvidenceError`` when there is one of that name, or nothing to attest."""
    predicate = ProductionPredicate(
        engine=EngineName(name=subject.engine, version=subject.version),
        artifact_digest=subject.artifact_digest,
        route=what.route,
        deployment=what.name,
        owner=what.owner,
        attested_at=what.since,
        expires_at=what.until,
    )
    line = sign(production_statement(predicate).spelled(), signer)
    name = f"{what.route}__{_UNSAFE.sub('-', what.name)[:60]}__{what.since:%Y%m%dT%H%M%S}{_SUFFIX}"
    path = _place(root, subject.engine) / safe_segment(name, "attestation name", 200)
    create_atomically(path, line.spelled())
    return path


def read_attestations(root: Path, engine: str, keys: Collection[PublicKey]) -> Signed:
    """Every statement about the engine. One that cannot be believed stands in nobody's way."""
    trusted: list[Attested] = []
    others: list[NotTrusted] = []
    for path in _files(root, engine):
        shown = path.relative_to(root).as_posix()
        try:
            trusted.append(_read(path, shown, engine, keys))
        except EvidenceError as error:
            others.append(NotTrusted(shown, error.problem))
    return Signed(tuple(trusted), tuple(others))


def _read(path: Path, shown: str, engine: str, keys: Collection[PublicKey]) -> Attested:
    data = read_no_follow(path, shown, _LARGEST)
    line = read_envelope(data, shown)
    if not verified_by(line, keys):
        whose = "by no key that is trusted here" if line.signatures else "by nobody"
        remedy = "Give the owner's public key: CERTIFY_TRUSTED_KEYS, or --key"
        raise EvidenceError(shown, "signatures", f"is signed {whose}", remedy)
    statement = parse(line.statement, ProductionStatement, shown)
    told = statement.predicate
    if told.engine.name != engine:
        remedy = "Move it to that engine's directory"
        raise EvidenceError(shown, "predicate.engine", f"is {told.engine.name!r}, not {engine!r}", remedy)
    return Attested(
        predicate=PRODUCTION,
        path=shown,
        sha256=sha256(data),
        subject=statement.certified,
        route=told.route,
        deployment=told.deployment,
        owner=told.owner,
        since=told.attested_at,
        until=told.expires_at,
    )


def _files(root: Path, engine: str) -> Iterator[Path]:
    place = _place(root, engine)
    try:
        yield from sorted(path for path in place.iterdir() if path.name.endswith(_SUFFIX))
    except FileNotFoundError:
        return
    except OSError as error:
        raise EvidenceError.from_os(str(place), error, "list") from None


def _place(root: Path, engine: str) -> Path:
    place = root / layout.ATTESTED / safe_segment(engine, "engine name")
    for directory in (place.parent, place):
        if directory.is_symlink():
            remedy = "Put the directory itself there"
            raise EvidenceError(str(directory), None, "is a symbolic link", remedy, ProblemKind.UNREADABLE)
    return place
