"""Signing and verifying statements in DSSE envelopes (Dead Simple Signing Envelope, protocol v1).

What is signed is the statement's bytes and their type, in DSSE's pre-authentication encoding; nothing has to
be brought into a canonical form before it can be verified.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from pydantic import JsonValue
from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.seal.lines import PAYLOAD_TYPE, Line, LineSignature

_REMEDY = "Have it signed again, as a DSSE envelope"
_KEY_ID = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_BYTES = 64


def sign(statement: bytes, signer: Signer | None) -> Line:
    """The envelope of a statement; without a signer it has no signature, and proves no author."""
    if signer is None:
        return Line.of(statement)
    signature = Envelope(statement, PAYLOAD_TYPE, {}).sign(signer.signer)
    sig = base64.standard_b64encode(bytes.fromhex(signature.signature)).decode()
    return Line.of(statement, (LineSignature(signature.keyid, sig),))


def verified_by(line: Line, keys: Iterable[PublicKey]) -> frozenset[PublicKey]:
    """Which of ``keys`` signed this envelope; none: nobody that is trusted did."""
    known = {key.key_id: key for key in keys}
    envelope = Envelope(line.statement, PAYLOAD_TYPE, {})
    found = set()
    for each in line.signatures:
        key = known.get(each.key_id)
        if key is None:
            continue
        signature = Signature(each.key_id, base64.standard_b64decode(each.sig).hex())
        envelope.signatures = {each.key_id: signature}
        if key.verifies(bytes.fromhex(signature.signature), envelope.pae()):
            found.add(key)
    return frozenset(found)


def read_envelope(data: bytes, path: str) -> Line:
    """An envelope that somebody else's tool may have written: strict JSON in any layout.

    ``path`` is for messages. Raises ``EvidenceError`` for anything else, and for another payload type.
    """
    value = parse_value(data, path)
    fields = value if isinstance(value, dict) else {}
    if fields.get("payloadType") != PAYLOAD_TYPE:
        problem = f"is not {PAYLOAD_TYPE!r}: this is no envelope of an in-toto statement"
        raise EvidenceError(path, "payloadType", problem, _REMEDY)
    payload = _decoded(fields.get("payload"), path, "payload")
    signed = fields.get("signatures")
    if not isinstance(signed, list):
        raise EvidenceError(path, "signatures", "is not a list", _REMEDY)
    return Line.of(payload, tuple(_signature(each, path, at) for at, each in enumerate(signed)))


def _signature(value: JsonValue, path: str, at: int) -> LineSignature:
    where = f"signatures.{at}"
    fields = value if isinstance(value, dict) else {}
    key_id = fields.get("keyid")
    sig = _decoded(fields.get("sig"), path, f"{where}.sig")
    if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id) or len(sig) != _SIGNATURE_BYTES:
        problem = "is no Ed25519 signature with the id of its key"
        raise EvidenceError(path, where, problem, _REMEDY)
    return LineSignature(key_id, base64.standard_b64encode(sig).decode())


def _decoded(value: JsonValue, path: str, field: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else _refuse(path, field)
    except (binascii.Error, ValueError):
        return _refuse(path, field)


def _refuse(path: str, field: str) -> bytes:
    raise EvidenceError(path, field, "is not base64", _REMEDY)
