"""``python -m benchmarks [NAME ...]``: the figures of the README, each as a ratio within one run."""

from __future__ import annotations

import runpy
import sys

NAMES = (
    "cells",
    "oracle",
    "reference_throughput",
    "help",
    "suite_scale",
    "scale",
    "append_scale",
    "levels_scale",
    "dagster_overhead",
)


def main() -> None:
    """Run the named benchmarks, or all."""
    wanted = sys.argv[1:] or list(NAMES)
    if unknown := [name for name in wanted if name not in NAMES]:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    for name in wanted:
        print(f"== {name}", flush=True)
        sys.argv = [f"benchmarks/{name}.py"]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
