# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "krishiv==0.1.0",
#     "pyarrow>=20",
# ]
# ///
"""Krishiv's Python wheel behind the engine protocol: an embedded session a load, from Parquet files.

Runs in an environment of its own and imports nothing of certification_pipeline but the kit. The parent
imports the wheel once and forks for each load; a session, with its threads, lives and dies in the child.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

# Arrow's allocator must not start threads at import: the parent forks.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")

import jobs  # type: ignore[import-not-found]
from certify_driver import Job, config, installed, serve  # type: ignore[import-not-found]


def describe() -> dict[str, Any]:
    """Who answers: the wheel as it is installed."""
    return {
        "engine": config().get("engine", "krishiv"),
        "version": version("krishiv"),
        "artifact_digest": installed("krishiv"),
        "details": {"mode": "embedded", "durability_profile": "dev-local"},
    }


def load(job: Job) -> dict[str, Any]:
    """One load, in a process of its own."""
    claims: dict[str, Any] = jobs.run(job)
    return claims


if __name__ == "__main__":
    serve(describe, load, fork=True)
