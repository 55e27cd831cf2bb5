"""What a source can be asked for."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """One way of reading; strategies name the one they need."""

    SNAPSHOT = "snapshot"
    """The whole table as of one instant."""
    SLICE = "slice"
    """The rows of a range of the partition column."""
    CURSOR = "cursor"
    """The rows at or above a high-water mark."""
    XMIN = "xmin"
    """The row versions written since an earlier snapshot."""
    CDC = "cdc"
    """The committed changes since a position in the log."""
