"""What a load costs beyond its need: time and memory."""

from __future__ import annotations

import time

HOARDED_BYTES_A_ROW = 128 << 10


def burn(seconds: float) -> None:
    """:attr:`Defect.SLOW_LOAD`: so much CPU of this process, however busy the machine is."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def hoarded() -> bytes:
    """:attr:`Defect.HOARD_ROWS`: what one row leaves in memory until the load has ended."""
    return b"\1" * HOARDED_BYTES_A_ROW
