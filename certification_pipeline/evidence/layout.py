"""Where every artifact lies: the seeds' file names (DESIGN section 10), and nothing else.

``<root>/releases/<release_id>/<engine>/`` holds one subject's evidence of one release;
``<root>/chain/<engine>/`` the chain over all its releases.
"""

from __future__ import annotations

RELEASES = "releases"
LATEST = "latest"
CELLS = "cells"
SUPERSEDED = "superseded"
CHAIN = "chain"
CHAIN_HEAD = "head.json"

PLAN = "certification_automation_plan.json"
REPORT = "certification_report.json"
SUITE = "certification_suite.json"
SUITE_INDEX = "certification_suite_index.json"
ARTIFACT_INDEX = "artifact_index.json"
RELEASE_SUMMARY = "release_summary.json"

LARGEST_CELL = 16 << 20
LARGEST_ARTIFACT = 256 << 20
"""Bytes. A report over 10 000 cells takes about 15 MB; more than this is an accident or an attack."""


def cell_path(cell_id: str) -> str:
    """Relative path of one cell's file."""
    return f"{CELLS}/{cell_id}.json"
