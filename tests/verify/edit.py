"""What an edit of evidence is, and which files there are to edit."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

Touched = tuple[str, ...] | None
Edit = Callable[[Path, str, random.Random], Touched]


NOT_EVIDENCE = (".lock", "harness.log")
"""A lock's content is a process id, a log is for the bench's maintainers: nothing rests on either."""


def files(root: Path) -> list[str]:
    """Every file that is evidence, or vouched for by it."""
    found = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return sorted(path for path in found if not path.endswith(NOT_EVIDENCE))
