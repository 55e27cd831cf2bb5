"""``certify --help`` against a bare Python start, alternating; the target is 200 ms on a quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median

ROUNDS = 15


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print medians in milliseconds and the ratio."""
    ours = [sys.executable, "-m", "certification_pipeline.cli", "--help"]
    bare = [sys.executable, "-c", "pass"]
    pairs = [(_seconds(ours), _seconds(bare)) for _ in range(ROUNDS)]
    ours_ms, bare_ms = (median(column) * 1000 for column in zip(*pairs, strict=True))
    print(f"certify --help {ours_ms:.0f} ms, bare python {bare_ms:.0f} ms")
    print(json.dumps({"help_ms": ours_ms, "python_ms": bare_ms, "ratio": ours_ms / bare_ms}))


if __name__ == "__main__":
    main()
