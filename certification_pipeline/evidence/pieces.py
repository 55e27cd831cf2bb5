"""Artifacts with one long list (``LONG``), read and spelled piece by piece.

A report over 100 000 cells, taken whole, is there four times at once: bytes, JSON values, the bytes they
spell, models. Our one spelling puts every item of a top-level list between lines that begin with exactly four
spaces and a brace, and no JSON string holds a line break; so a list can be cut there without parsing it. Each
piece is held to the one spelling by itself. What is not spelled so is not read here: ``canonical`` reads it
whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json

FEW = 64
"""Items: a list of no more is spelled with the rest."""
SMALL = 1 << 16
"""Bytes: a file of no more is read at once."""
FIELDS = ("artifacts", "cells", "entries", "results")
"""Every long list there is."""
PIECE = 1 << 18
"""Bytes that are looked at together, at least."""
_OPEN, _CLOSE = b'{\n  "": [\n', b"\n  ]\n}"
_BETWEEN = b"\n    },\n    {"


class OddError(Exception):
    """The bytes are not in the one spelling, or are no such artifact: read them whole to be told."""


class Cut(NamedTuple):
    """Bytes of an artifact around the items of its long list; ``start`` to ``end`` are theirs."""

    data: bytes
    field: str
    start: int
    end: int

    @classmethod
    def of(cls, data: bytes, field: str) -> Self | None:
        """``None`` where there is no such list, or nothing in it."""
        opening = b'\n  "%b": [\n' % field.encode()
        at = data.find(opening)
        end = data.find(b"\n  ]", at + len(opening)) if at >= 0 else -1
        return cls(data, field, at + len(opening), end) if end >= 0 else None

    @property
    def head(self) -> bytes:
        """Everything else, with nothing in the list."""
        before = self.data[: self.start - len("[\n")]
        return before + b"[]" + self.data[self.end + len("\n  ]") :]

    def pieces(self) -> Iterator[bytes]:
        """Some items at a time, as an array that parses. Raises :class:`OddError` for another spelling."""
        at = self.start
        while at < self.end:
            cut = self.data.find(_BETWEEN, at + PIECE, self.end)
            upto = cut + len("\n    }") if cut >= 0 else self.end
            piece = self.data[at:upto]
            try:
                value = from_json(b"[" + piece + b"]", allow_inf_nan=False)
            except ValueError:
                raise OddError from None
            if _spelled(value) != piece:
                raise OddError
            del value
            yield b"[" + piece + b"]"
            at = upto + len(",\n")


def head_value(cut: Cut) -> Any:
    """The JSON value of everything but the items. Raises :class:`OddError`."""
    try:
        value = from_json(cut.head, allow_inf_nan=False)
    except ValueError:
        raise OddError from None
    if to_json(value, indent=2) + b"\n" != cut.head:
        raise OddError
    return value


def items(cut: Cut, model: type[BaseModel]) -> Iterator[Any]:
    """The list's items, one by one, validated as strictly as in one go. Raises :class:`OddError`."""
    adapter = _adapter(model, cut.field)
    for piece in cut.pieces():
        try:
            found = adapter.validate_json(piece, strict=True)
        except ValueError:
            raise OddError from None
        for item in found:
            slim(item)
            yield item


def spelled(
    model: BaseModel, field: str, whole: Callable[[BaseModel], bytes], ordered: Callable[[Any, int], Any]
) -> Iterator[bytes]:
    """The one spelling, in pieces. ``whole`` spells the rest, ``ordered`` an item's value of that number."""
    listed = getattr(model, field)
    head = whole(model.model_copy(update={field: ()}))
    empty = b'\n  "%b": []' % field.encode()
    at = head.index(empty)
    yield head[: at + len(empty) - 1] + b"\n"
    for first in range(0, len(listed), FEW):
        some = listed[first : first + FEW]
        values = [ordered(item.model_dump(mode="json"), first + n) for n, item in enumerate(some)]
        yield (b",\n" if first else b"") + _spelled(values)
    yield b"\n  ]" + head[at + len(empty) :]


def slim(model: BaseModel) -> None:
    """Let equal models share the set of fields that were given: it takes more than all of their values.

    They are frozen, so that nobody changes it.
    """
    given = model.__pydantic_fields_set__
    object.__setattr__(model, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))
    for value in model.__dict__.values():
        if isinstance(value, BaseModel):
            slim(value)
        elif isinstance(value, tuple):
            for item in value:
                if isinstance(item, BaseModel):
                    slim(item)


_GIVEN: dict[frozenset[str], set[str]] = {}


def digest_without(data: bytes, what: bytes, instead: bytes) -> str:
    """SHA-256 of ``data`` with the first ``what`` in it replaced, without a copy of all of it."""
    at = data.find(what)
    view = memoryview(data)
    if at < 0:
        return hashlib.sha256(view).hexdigest()
    digest = hashlib.sha256(view[:at])
    digest.update(instead)
    digest.update(view[at + len(what) :])
    return digest.hexdigest()


def _spelled(values: list[Any]) -> bytes:
    """As they stand in a top-level list."""
    return to_json({"": values}, indent=2)[len(_OPEN) : -len(_CLOSE)]


@cache
def _adapter(model: type[BaseModel], field: str) -> TypeAdapter[tuple[BaseModel, ...]]:
    listed: Any = model.model_fields[field].annotation
    return TypeAdapter(listed)
