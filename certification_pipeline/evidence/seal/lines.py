"""A bundle file (``*.intoto.jsonl``): one DSSE envelope a line, in one spelling. No cryptography.

One spelling, so that a line can be taken apart by a pattern: there is no duplicate key, no nesting, no
number and no white space in which anything could hide. Sources: DSSE v1 envelope; in-toto bundle v1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import open_lines

PAYLOAD_TYPE = "application/vnd.in-toto+json"
LONGEST_LINE = 32 << 20
"""Bytes; a statement about one cell takes about two thousand."""

_BASE64 = rb"[A-Za-z0-9+/]*+={0,2}"
_SIGNATURE = rb'\{"keyid":"([0-9a-f]{64})","sig":"([A-Za-z0-9+/]{86}==)"\}'
_SIGNED = _SIGNATURE.replace(b"(", b"(?:")
_LINE = re.compile(
    rb'\{"payload":"(' + _BASE64 + rb')","payloadType":"application/vnd\.in-toto\+json",'
    rb'"signatures":\[((?:' + _SIGNED + rb"(?:," + _SIGNED + rb")*)?)\]\}"
)
_EACH = re.compile(_SIGNATURE)
_REMEDY = "Restore the file from a copy, or decide again: certify release-summary"


class Place(Protocol):
    """A directory that holds bundles: a subject's, or a release's."""

    @property
    def path(self) -> Path:
        """Where it is."""


class LineSignature(NamedTuple):
    """As written; ``sig`` is base64 of 64 bytes."""

    key_id: str
    sig: str


class Line(NamedTuple):
    """One envelope as it is spelled: ``payload`` in base64."""

    payload: bytes
    signatures: tuple[LineSignature, ...]

    @classmethod
    def of(cls, payload: bytes, signatures: tuple[LineSignature, ...] = ()) -> Line:
        """The line for a statement's bytes."""
        return cls(base64.standard_b64encode(payload), signatures)

    @property
    def statement(self) -> bytes:
        """The bytes that were signed (before DSSE's pre-authentication encoding)."""
        return base64.standard_b64decode(self.payload)

    def spelled(self) -> bytes:
        """The one spelling, with its line break."""
        signed = b",".join(
            b'{"keyid":"%b","sig":"%b"}' % (each.key_id.encode(), each.sig.encode())
            for each in self.signatures
        )
        return b'{"payload":"%b","payloadType":"%b","signatures":[%b]}\n' % (
            self.payload,
            PAYLOAD_TYPE.encode(),
            signed,
        )


def parse_line(data: bytes) -> Line | None:
    """One line, with or without its break; ``None`` when it is not in the one spelling."""
    match = _LINE.fullmatch(data.removesuffix(b"\n"))
    if match is None:
        return None
    payload, signed = match.groups()
    signatures = tuple(LineSignature(key.decode(), sig.decode()) for key, sig in _EACH.findall(signed))
    line = Line(payload, signatures)
    return (
        line
        if _is_one_spelling(payload) and all(_is_one_spelling(s.sig.encode()) for s in signatures)
        else None
    )


def _is_one_spelling(text: bytes) -> bool:
    """Base64 spells the same bytes in several ways: some bits of the digit before ``=`` count for nothing."""
    try:
        return base64.standard_b64encode(base64.b64decode(text, validate=True)) == text
    except binascii.Error:
        return False


def read_lines(directory: Place, path: str) -> Iterator[Line]:
    """Every envelope of a bundle, one at a time.

    Raises ``EvidenceError``: when the file is not there, or at the first line that is not an envelope.
    """
    for number, data in enumerate(raw_lines(directory, path), start=1):
        line = parse_line(data)
        if line is None or not data.endswith(b"\n"):
            raise misspelled(path, number)
        yield line


def raw_lines(directory: Place, path: str) -> Iterator[bytes]:
    """As :func:`read_lines`, whatever they hold. A line that is longer than any statement is cut there."""
    with open_lines(directory.path, path, LONGEST_LINE) as lines:
        yield from lines


def signing_key_id(directory: Place, path: str) -> str | None:
    """The key id that every line names, the smallest of several; ``None``: not there, or unsigned in part.

    Read, not verified: it says who is *claimed* to have signed. ``certify verify --key`` verifies.
    """
    common: set[str] | None = None
    try:
        for line in read_lines(directory, path):
            named = {each.key_id for each in line.signatures}
            common = named if common is None else common & named
            if not common:
                return None
    except EvidenceError:
        return None
    return min(common) if common else None


def misspelled(path: str, number: int) -> EvidenceError:
    """A line that nobody of ours wrote."""
    problem = "is not an envelope as it was written"
    return EvidenceError(path, f"line {number}", problem, _REMEDY, ProblemKind.UNREADABLE)
