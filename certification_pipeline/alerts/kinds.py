"""What people can be told of: names alone, for who offers them before anything is looked at."""

from __future__ import annotations

from enum import StrEnum


class Alert(StrEnum):
    """What can be looked for; each gives notices of some kinds."""

    RED_GATE = "red_gate"
    LEVELS = "levels"
    EXPIRING = "expiring"
    MISSED_TICKS = "missed_ticks"
