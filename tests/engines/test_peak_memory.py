"""What a driver says of its memory is its own, whoever started it."""

from __future__ import annotations

import subprocess
import sys

from certification_pipeline.harness.engines.environment import KIT

LARGE = 400 << 20
FAT_PARENT = f"""
import subprocess, sys
held = b"x" * {LARGE}
subprocess.run([sys.executable, "-S", "-c", sys.argv[1]], check=True)
"""
ASK = f"import sys; sys.path[:0] = [{str(KIT)!r}]; import certify_driver as kit; print(kit.peak_memory())"


def _peak(child: str) -> int:
    ran = subprocess.run(
        [sys.executable, "-c", FAT_PARENT, child], capture_output=True, text=True, check=True
    )
    return int(ran.stdout)


def test_the_memory_of_whoever_started_a_driver_is_not_counted() -> None:
    assert _peak(ASK) < LARGE // 2


def test_its_own_is() -> None:
    assert _peak(f"held = b'x' * {LARGE}; {ASK}") > LARGE
