"""Waiting for the end of processes that are not our children, and for files to go."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path


def wait_gone(pid: int, seconds: float = 20) -> bool:
    """Wait for a process that need not be our child; a zombie counts as gone."""
    deadline = time.monotonic() + seconds
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], max(0, deadline - time.monotonic()))[0])
    finally:
        os.close(handle)


def wait_absent(path: Path, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return not path.exists()
