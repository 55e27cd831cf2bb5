"""Names of tables, slots and files as they will be in the next run as well."""

from __future__ import annotations

import re
from pathlib import PurePath

_CELL = re.compile(r"c_[0-9a-f]{12}(_\d+)?(_sink(?=$))?", re.IGNORECASE)
"""What belongs to one cell: see ``shop.namespace_of`` and ``Station.afresh``."""
_UUID = re.compile(r"[0-9a-f]{8}([-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}", re.IGNORECASE)
_RUN = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)([0-9a-f]{6,}|\d{6,}t?\d*)(?![A-Za-z0-9])", re.IGNORECASE)
_TEMPORARY = re.compile(r"(tmp)[A-Za-z0-9_]{4,}")
"""As ``tempfile`` and its like name files."""


def stable_name(parts: tuple[str, ...]) -> str:
    """A name without the cell's namespace, and with ``*`` for what looks like an id of one run.

    A schema is kept only as far as it says more than the cell's namespace does: ``staging.orders``. Empty for
    the namespace itself.
    """
    *schema, name = parts or ("",)
    kept = [_lasting(part) for part in schema[-1:] if _CELL.search(part)]
    return ".".join(filter(None, [*kept, _lasting(name)]))


def stable_path(path: PurePath) -> str:
    """The path without the cell's namespace, and with ``*`` for ids, hashes and numbers in its parts."""
    return "/".join(filter(None, (_numberless(_lasting(part)) for part in path.parts)))


def _lasting(name: str) -> str:
    if _CELL.search(name):
        name = re.sub(r"^_+|_+(?=\.|$)", "", _CELL.sub("", name))
    return re.sub(r"\*(_\*)+", "*", _RUN.sub("*", _UUID.sub("*", name)))


def _numberless(part: str) -> str:
    part = re.sub(r"\d+", "*", _TEMPORARY.sub(r"\1*", part))
    return re.sub(r"\*([-_.]?\*)+", "*", part)
