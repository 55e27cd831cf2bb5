"""What is wrong with a catalogue, said so that it can be mended without reading our code.

Knows nothing of YAML or pydantic: a problem is a place, a sentence and a remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_LISTED = 12
"""How many known names a remedy lists before it stops being helpful."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend. Ordered by file, line and column."""

    file: Path
    line: int
    column: int
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        field = f"  {self.field}" if self.field else ""
        return f"{where}{field}\n    {self.message}\n    → {self.remedy}"


class CatalogError(Exception):
    """The catalogue cannot be used; ``problems`` has all that was found, in reading order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"The catalogue has {count} problem{'' if count == 1 else 's'}."
        return "\n\n".join([head, *map(str, self.problems)])


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, else what there is to choose from."""
    names = sorted(set(known))
    if not names:
        return "nothing of that kind is defined yet"
    listed = ", ".join(names[:_LISTED]) + (
        f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    )
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f"did you mean `{close[0]}`? Known: {listed}"
    return f"use one of: {listed}"
