"""Signed notes (C2SP signed-note v1): a text, a blank line, and one line a signature. Ed25519 only.

A note without signatures is its text alone: whoever demands a signature must refuse it, and whoever shows
one must say that nobody signed it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Protocol

from certification_pipeline.evidence.errors import EvidenceError

_ED25519 = b"\x01"
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 64
_MOST_SIGNATURES = 64
_REMEDY = "Do not edit it; restore it from a copy"


class NoteKey(Protocol):
    """What can verify a note: an Ed25519 public key."""

    @property
    def raw(self) -> bytes:
        """32 bytes (RFC 8032)."""

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the private key made ``signature`` over ``data``."""


class NoteSigner(Protocol):
    """What can sign a note: an Ed25519 private key."""

    @property
    def public_key(self) -> NoteKey:
        """The key that verifies."""

    def sign(self, data: bytes) -> bytes:
        """64 bytes."""


@dataclass(frozen=True)
class NoteSignature:
    """One signature line. ``key_id`` (4 bytes) and ``name`` say whose; only verifying says whether."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.signature).decode()}"


@dataclass(frozen=True)
class Note:
    """``text`` ends in a line break."""

    text: str
    signatures: tuple[NoteSignature, ...] = ()

    def render(self) -> bytes:
        """The note as it is written."""
        lines = "".join(f"{each}\n" for each in self.signatures)
        return (self.text + ("\n" + lines if lines else "")).encode()

    def signed(self, name: str, signer: NoteSigner) -> Note:
        """The same with one signature more."""
        made = NoteSignature(name, key_id(name, signer.public_key), signer.sign(self.text.encode()))
        return Note(self.text, (*self.signatures, made))

    def verified_by(self, name: str, key: NoteKey) -> bool:
        """Whether ``key`` signed it under ``name``, and no line of that key is wrong."""
        whose = key_id(name, key)
        mine = [each for each in self.signatures if (each.name, each.key_id) == (name, whose)]
        return bool(mine) and all(key.verifies(each.signature, self.text.encode()) for each in mine)


def key_id(name: str, key: NoteKey) -> bytes:
    """The first 4 bytes of SHA-256 over name, line break, type (Ed25519) and key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:_KEY_ID_BYTES]


def parse_note(data: bytes, shown: str) -> Note:
    """Read a note, signed or not, strictly; ``EvidenceError`` names ``shown`` and what is wrong."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise EvidenceError(shown, None, "is not UTF-8", _REMEDY) from None
    if any(letter < " " and letter != "\n" for letter in text):
        raise EvidenceError(shown, None, "holds a control character", _REMEDY)
    if not text.endswith("\n") or text == "\n":
        raise EvidenceError(shown, None, "is cut short: it does not end in a line break", _REMEDY)
    body, blank, signatures = text.rpartition("\n\n")
    if not blank:
        return Note(text)
    lines = signatures.removesuffix("\n").split("\n") if signatures else []
    if not lines or len(lines) > _MOST_SIGNATURES:
        raise EvidenceError(shown, None, f"has {len(lines)} signatures after its blank line", _REMEDY)
    return Note(body + "\n", tuple(_signature(line, shown) for line in lines))


def decode_base64(text: str, length: int) -> bytes | None:
    """``length`` bytes in the one spelling base64 has for them, or ``None``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == length and base64.b64encode(data).decode() == text else None


def _signature(line: str, shown: str) -> NoteSignature:
    match line.split(" "):
        case ["—", name, encoded] if name and "+" not in name and not any(map(str.isspace, name)):
            data = decode_base64(encoded, _KEY_ID_BYTES + _SIGNATURE_BYTES)
            if data is not None:
                return NoteSignature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])
    raise EvidenceError(shown, None, f"has no signature line but {line[:80]!r}", _REMEDY)
