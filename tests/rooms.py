"""Rooms: the folders of ``tests``, each with all below it."""

from __future__ import annotations

from pathlib import PurePosixPath

LONG = ("orchestration", "cli", "gates", "verify", "harness", "pipeline", "robustness", "connectors")
"""Those of a quarter of a minute and more, the longest first; who stands here changes no verdict."""


def room_of(nodeid: str) -> str:
    """``tests/cli/test_run.py::test_it`` -> ``cli``."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 else ""


def rank(nodeid: str) -> int:
    """Where its room stands among the long ones; those that are not are all last."""
    room = room_of(nodeid)
    return LONG.index(room) if room in LONG else len(LONG)
