"""Artifacts as bytes: one spelling when written, and a strict reader.

Written: JSON, UTF-8, indent 2, sorted keys, trailing newline. Read: the same facts in any layout, but
no duplicate key, NaN, Infinity, deep nesting, truncation, unknown field or coerced type gets through.

The reader's fast path rests on the one spelling: bytes that render back to themselves cannot hold a
duplicate key. Anything else is looked at key by key, slowly.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from certification_pipeline.evidence import pieces
from certification_pipeline.evidence.artifact import Artifact, Digest
from certification_pipeline.evidence.errors import EvidenceError

M = TypeVar("M", bound=BaseModel)

CONTENT_DIGEST = "content_digest"
_LONG = "LONG"
_REMEDY = "Do not edit evidence; produce it again"


def sha256(data: bytes) -> Digest:
    """``sha256:<hex>`` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def render(model: BaseModel, path: str = "") -> bytes:
    """The one spelling of a model. Raises EvidenceError for what JSON cannot hold (NaN, lone surrogates)."""
    field = getattr(model, _LONG, "")
    try:
        if not field or len(getattr(model, field)) <= pieces.FEW:
            return _whole(model, path)
        return b"".join(
            pieces.spelled(
                model,
                field,
                lambda rest: _whole(rest, path),
                lambda value, at: _sorted(value, path, (field, str(at))),
            )
        )
    except PydanticSerializationError as error:
        raise EvidenceError(path, None, f"cannot be written as JSON: {error}", _PRODUCER) from None


def _whole(model: BaseModel, path: str) -> bytes:
    return _spell(_sorted(model.model_dump(mode="json"), path, ()))


def parse(data: bytes, model: type[M], path: str) -> M:
    """Validate bytes strictly into ``model``; a model's ``content_digest`` must be its content's."""
    found = parse_long(data, model, path)
    if found is not None:
        with suppress(pieces.OddError):
            items = tuple(found.items)
            return found.head.model_copy(update={found.field: items})
    value = parse_value(data, path)
    if not isinstance(value, dict):
        raise EvidenceError(path, None, f"is not a JSON object but {_kind(value)}", _REMEDY)
    if issubclass(model, Artifact):
        _check_schema_version(value, model, path)
    stated = value.get(CONTENT_DIGEST)
    del value  # a report of 100 000 cells is large enough once
    try:
        parsed = model.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise EvidenceError(path, field, first["msg"], _REMEDY) from None
    if CONTENT_DIGEST in model.model_fields and _sealed_digest(data, stated) != stated:
        problem = "is not the digest of the content: the file was edited after it was written"
        raise EvidenceError(path, CONTENT_DIGEST, problem, _REMEDY)
    return parsed


class Long(NamedTuple, Generic[M]):
    """An artifact whose long list is read as it is asked for; iterating may raise ``OddError``."""

    head: M
    """All of it, with nothing in the list."""
    field: str
    items: Iterator[Any]


def parse_long(data: bytes, model: type[M], path: str) -> Long[M] | None:
    """As :func:`parse`, for who goes through the items once and keeps none.

    ``None``: short, not in our spelling, or something is wrong with it. :func:`parse` says what.
    """
    field = getattr(model, _LONG, "")
    cut = pieces.Cut.of(data, field) if field and len(data) > pieces.SMALL else None
    if cut is None:
        return None
    try:
        value = pieces.head_value(cut)
        if not isinstance(value, dict):
            return None
        if issubclass(model, Artifact):
            _check_schema_version(value, model, path)
        head = model.model_validate_json(cut.head, strict=True)
    except (pieces.OddError, ValidationError, EvidenceError):
        return None
    stated = value.get(CONTENT_DIGEST)
    if CONTENT_DIGEST in model.model_fields and _sealed_digest(data, stated) != stated:
        return None
    return Long(head, field, pieces.items(cut, model))


def parse_head(data: bytes, path: str) -> JsonValue:
    """As :func:`parse_value`, for who does not ask about an artifact's long list: it may be left out."""
    for field in pieces.FIELDS if len(data) > pieces.SMALL else ():
        cut = pieces.Cut.of(data, field)
        if cut is None:
            continue
        with suppress(pieces.OddError):
            for _ in cut.pieces():
                pass
            value: JsonValue = pieces.head_value(cut)
            return value
    return parse_value(data, path)


def parse_value(data: bytes, path: str) -> JsonValue:
    """Strict JSON, without a model."""
    try:
        value: JsonValue = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise EvidenceError(path, None, f"is not well-formed JSON: {error}", _REMEDY) from None
    if _spell(value) != data:
        _look_closely(data, path)
    return value


def seal(data: bytes) -> tuple[bytes, Digest]:
    """Fill in the empty ``content_digest`` of rendered bytes: the digest of those bytes as given.

    ``sed 's/^  "content_digest": "[^"]*"/  "content_digest": ""/' FILE | sha256sum`` checks it. It finds
    an edit; it does not prove an author, as anybody can compute it.
    """
    digest = sha256(data)
    at = data.find(_UNSEALED)
    if at < 0:
        return data, digest
    end = at + len(_UNSEALED)
    return b"".join((data[:at], _UNSEALED[:-1], digest.encode(), b'"', memoryview(data)[end:])), digest


def _sealed_digest(data: bytes, stated: JsonValue) -> Digest:
    sealed = _UNSEALED[:-1] + str(stated).encode() + b'"'
    return "sha256:" + pieces.digest_without(data, sealed, _UNSEALED)


# Two spaces deep is the top level, and no string holds a line break: this occurs once.
_UNSEALED = b'\n  "content_digest": ""'
_PRODUCER = "This is a defect of the producer: report it"


def _spell(value: object) -> bytes:
    return to_json(value, indent=2) + b"\n"


def _sorted(value: Any, path: str, field: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key], path, (*field, key)) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item, path, (*field, str(at))) for at, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise EvidenceError(path, ".".join(field), f"is {value}, which JSON cannot hold", _PRODUCER)
    return value


def _check_schema_version(value: dict[str, JsonValue], model: type[Artifact], path: str) -> None:
    found, expected = value.get("schema_version"), model.schema_name()
    if found != expected:
        problem = f"is {found!r}, expected {expected!r}" if found else f"is missing, expected {expected!r}"
        raise EvidenceError(path, "schema_version", problem, "Produce the file with this version of certify")


def _look_closely(data: bytes, path: str) -> None:
    """Find duplicate keys and numbers beyond a float; the layout itself may be anybody's."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, item in items:
            if key in seen:
                raise EvidenceError(path, key, "is there twice: no one can say which value counts", _REMEDY)
            seen[key] = item
        return seen

    def number(text: str) -> float:
        parsed = float(text)
        if not math.isfinite(parsed):
            raise EvidenceError(path, None, f"holds {text}, which is not a finite number", _REMEDY)
        return parsed

    def constant(text: str) -> float:
        raise EvidenceError(path, None, f"holds {text}, which is not JSON", _REMEDY)

    json.loads(data, object_pairs_hook=pairs, parse_float=number, parse_constant=constant)


def _kind(value: JsonValue) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
