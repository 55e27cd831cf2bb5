"""What a store must offer, and what it really does: writes that only one of two writers can make.

A store that does not honour its conditions loses evidence without a word: two machines push at once, and the
later one overwrites. So conditions are measured (:func:`measure`), never believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import SEGMENT_PATTERN

_KEY = re.compile(rf"(?:{SEGMENT_PATTERN}/)*{SEGMENT_PATTERN}")
_LONGEST_KEY = 512
_PROBES = "probes"


@dataclass(frozen=True)
class Version:
    """What the store calls one state of an object; only ever compared by the store itself."""

    e_tag: str | None
    number: str | None = None


@dataclass(frozen=True)
class Fetched:
    """An object as it was read."""

    data: bytes
    version: Version


@dataclass(frozen=True)
class Conditions:
    """What a store was seen to honour."""

    create: bool
    """Of two writers who create one object, the second is refused."""
    replace: bool
    """Who replaces an object that somebody else has replaced meanwhile is refused."""


class RemoteStore(Protocol):
    """Objects under keys. Methods raise ``EvidenceError`` (``REFUSED``) when the store cannot be used."""

    @property
    def shown(self) -> str:
        """For messages: the place, without anything secret."""

    def read(self, key: str, largest: int) -> Fetched | None:
        """An object of at most ``largest`` bytes, or ``None`` when there is none."""

    def size(self, key: str) -> int | None:
        """Its size in bytes, or ``None`` when there is none."""

    def create(self, key: str, data: bytes) -> bool:
        """Write an object that is not there; ``False`` when one is, which stays as it was."""

    def replace(self, key: str, data: bytes, version: Version) -> bool:
        """Write over an object that is still in that state; ``False`` when it is in another."""

    def overwrite(self, key: str, data: bytes) -> None:
        """Write an object whatever is there: for stores whose only writer promises to be alone."""

    def delete(self, key: str) -> None:
        """Take an object away."""

    def names(self, prefix: str) -> Iterator[str]:
        """Keys below ``prefix`` (which ends in a slash), in no particular order."""


def checked_key(key: str) -> str:
    """``key`` if it can name nothing but an object of ours; else ``EvidenceError``: no ``..``, no ``//``."""
    if len(key) > _LONGEST_KEY or ".." in key or not _KEY.fullmatch(key):
        remedy = "Nothing of it was used; see who else writes there"
        raise EvidenceError("the store", None, f"{key[:120]!r} is no name of evidence", remedy)
    return key


def measure(store: RemoteStore) -> Conditions:
    """See what the store honours, with a small object of its own that is removed afterwards."""
    key = f"{_PROBES}/{uuid4()}"
    if not store.create(key, b"1"):
        problem = f"says that {key} is there, which nobody has made"
        raise EvidenceError(store.shown, None, problem, "Name another store", ProblemKind.REFUSED)
    try:
        create = not store.create(key, b"2")
        first = store.read(key, 16)
        replace = False
        if create and first is not None and first.data == b"1":
            with suppress(NotImplementedError):
                replace = store.replace(key, b"3", first.version) and not store.replace(
                    key, b"4", first.version
                )
            now = store.read(key, 16)
            replace = replace and now is not None and now.data == b"3"
        return Conditions(create, replace)
    finally:
        with suppress(EvidenceError):  # who may not delete has one small object more
            store.delete(key)
