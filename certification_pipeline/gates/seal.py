"""Writes the signed statements of a release: about its evidence, and about what was decided on it.

Without a signer the statements are written all the same, with no signature: they say what the evidence says,
and prove no author.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import resolve_inside, streaming_atomically
from certification_pipeline.evidence.seal.dsse import sign
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.seal.lines import Line, LineSignature, Place, read_lines
from certification_pipeline.evidence.seal.vsa import Decided
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.attested import Attested, evidence_statements
from certification_pipeline.gates.attested_decisions import decision_statements
from certification_pipeline.gates.attested_pages import ReleaseDir, page_statements
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verifiers import Verifiers

_Kept = dict[Digest, tuple[LineSignature, ...]]


class Sealed(NamedTuple):
    """What was written. ``signed``: lines with a signature, ours or one that was kept."""

    path: str
    statements: int
    signed: int


def seal_evidence(
    directory: SubjectDir, signer: Signer | None, *, verifiers: Verifiers = VERIFIERS
) -> Sealed:
    """Write ``attestations.intoto.jsonl``: plan, planned cells, families, one envelope a line, whole or not.

    The same files and key give the same bytes. Without a signer, a statement that has not changed keeps the
    signatures it has: deciding again unsigns nothing. Raises ``EvidenceError`` when there is no readable
    plan (nothing is attested then, and what was attested before is withdrawn) or nothing can be written.
    """
    return _write(directory, layout.ATTESTATIONS, evidence_statements(directory, verifiers), signer)


def seal_decisions(directory: SubjectDir, signer: Signer | None, *, levels: Iterable[Decided] = ()) -> Sealed:
    """Write ``decisions.intoto.jsonl``, after the summary: suite, release, ``levels``, and their files.

    As :func:`seal_evidence`.
    """
    return _write(directory, layout.DECISIONS, decision_statements(directory, levels), signer)


def seal_pages(release: ReleaseDir, signer: Signer | None) -> Sealed:
    """Write ``pages.intoto.jsonl`` over what lies beside the engines of a release, once it is rendered."""
    return _write(release, layout.PAGES, page_statements(release), signer)


def _write(directory: Place, path: str, statements: Iterator[Attested], signer: Signer | None) -> Sealed:
    place = resolve_inside(directory.path, path)
    kept = _signatures(directory, path) if signer is None else {}
    count = signed = 0
    try:
        first = next(statements)
        with streaming_atomically(place) as file:
            for attested in _again(first, statements):
                line = sign(attested.statement, signer)
                if kept:
                    line = line._replace(signatures=kept.get(sha256(attested.statement), ()))
                file.write(line.spelled())
                count += 1
                signed += bool(line.signatures)
    except StopIteration:
        place.unlink(missing_ok=True)
    except EvidenceError as error:
        if error.kind is not ProblemKind.REFUSED:  # it can be written, not read: no old seal may outlive it
            with suppress(OSError):
                place.unlink(missing_ok=True)
        raise
    return Sealed(path, count, signed)


def _again(first: Attested, rest: Iterator[Attested]) -> Iterator[Attested]:
    yield first
    yield from rest


def _signatures(directory: Place, path: str) -> _Kept:
    """Statement -> its signatures, as they lie there; whether they verify is for who verifies."""
    kept: _Kept = {}
    with suppress(EvidenceError):
        for line in read_lines(directory, path):
            if line.signatures:
                kept[_digest(line)] = line.signatures
    return kept


def _digest(line: Line) -> Digest:
    return sha256(line.statement)
