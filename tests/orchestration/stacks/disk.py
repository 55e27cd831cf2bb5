"""A file system that is soon full."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096
LEFT = 8 * BLOCK


@contextmanager
def small_disk(place: Path, options: str = "size=1m") -> Iterator[Path]:
    """``place`` as a file system of its own; skips where none can be mounted. What is on it stays."""
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    with tempfile.TemporaryDirectory() as aside:
        try:
            yield place
        finally:
            subprocess.run(["cp", "-a", f"{place}/.", aside], check=True)
            subprocess.run(["umount", "--lazy", str(place)], check=True)
            subprocess.run(["cp", "-a", f"{aside}/.", str(place)], check=True)


def fill(place: Path) -> Path:
    """Nothing of consequence fits any more; what to remove for room."""
    ballast = place / "ballast"
    ballast.write_bytes(b"\0" * max(0, shutil.disk_usage(place).free - LEFT))
    return ballast


def grow(place: Path) -> None:
    """Room for everything."""
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
