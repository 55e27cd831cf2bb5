"""Processes that begin together: each says that it is ready, and is told to go when all are."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


def at_once(children: Sequence[subprocess.Popen[str]]) -> list[str]:
    """What each said after that, in their order."""
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return [child.communicate()[0].strip() for child in children]
