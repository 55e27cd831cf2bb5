# /// script
# requires-python = ">=3.11"
# dependencies = [
#     # 1.12 builds its parser from source where there is no wheel for it.
#     "dbt-core==1.11.16",
#     "dbt-postgres==1.11.0",
# ]
# ///
"""dbt snapshot, a compiler of SQL that keeps history, behind the engine protocol.

Runs in an environment of its own and imports nothing of certification_pipeline but the driver kit. A warm
parent imports dbt once and forks one child a load. This file knows how dbt is run and what it answers;
``project.py`` writes the project that it runs. ``config.strategy`` is dbt's snapshot strategy.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --no-annotate --output-file driver.lock
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

# Before dbt's first import: no telemetry, nothing shared between two loads.
os.environ.update(
    {
        "DO_NOT_TRACK": "1",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_PARTIAL_PARSE": "false",
        "DBT_USE_COLORS": "false",
        "DBT_VERSION_CHECK": "false",
        "DBT_LOG_LEVEL_FILE": "none",
    }
)

import dbt.adapters.postgres  # type: ignore[import-not-found]  # noqa: F401 - the warm part
import psycopg2  # type: ignore[import-untyped]
from certify_driver import Failure, Job, config, installed, serve  # type: ignore[import-not-found]
from dbt.cli.main import dbtRunner  # type: ignore[import-not-found]
from project import PROJECT, TWO_DATABASES, credentials, refuse, write  # type: ignore[import-not-found]

_BY_TEXT = (
    ("password authentication failed", "authentication", False),
    ("permission denied", "authentication", False),
    ("connection refused", "connectivity", True),
    ("could not connect", "connectivity", True),
    ("server closed the connection", "connectivity", True),
    ("terminating connection", "connectivity", True),
    ("deadlock detected", "conflict", True),
    ("disk full", "resource", False),
    ("no space left", "resource", False),
    ("could not identify an equality operator", "schema", False),
    ("operator does not exist", "schema", False),
    ("column", "schema", False),
    ("does not exist", "not_found", False),
    ("compilation error", "configuration", False),
)
_MESSAGE_CHARACTERS = 600


def describe() -> dict[str, Any]:
    """dbt-core and the adapter; the engine is one of the two strategies."""
    return {
        "engine": engine(),
        "version": version("dbt-core"),
        "artifact_digest": installed("dbt-core"),
        "details": {"dbt-postgres": version("dbt-postgres"), "strategy": config().get("strategy")},
    }


def engine() -> str:
    """As the catalogue calls this configuration."""
    return "dbt_snapshot_check" if config().get("strategy") == "check" else "dbt_snapshot"


def load(job: Job) -> dict[str, Any]:
    """One ``dbt snapshot``. Raises ``Failure``."""
    refuse(job)
    if job.source.dsn != job.sink.dsn:
        _hold_to_one_database(job)
    job.phase("project")
    folder = write(job, str(config().get("strategy", "timestamp")))
    os.environ.update(credentials(job.sink.dsn))
    job.phase("snapshot")
    where = ("--project-dir", str(folder), "--profiles-dir", str(folder))
    done = dbtRunner().invoke(["snapshot", *where, "--target-path", str(job.state_dir / "target")])
    if done.exception is not None:
        raise failed(str(done.exception), job)
    results = list(getattr(done.result, "results", ()))
    if len(results) != 1:
        raise Failure("internal", f"dbt ran {len(results)} snapshots of {PROJECT}, not one")
    if str(results[0].status) != "success":
        raise failed(str(results[0].message), job)
    answer = results[0].adapter_response or {}
    # dbt tells the rows of its last statement alone: the versions that it inserted.
    rows = answer.get("rows_affected")
    return {"inserted_rows": rows if isinstance(rows, int) and rows >= 0 else None, "retries": 0}


def _hold_to_one_database(job: Job) -> None:
    """One server may be reached by two addresses; two servers may have a database of one name. So: ask it."""
    try:
        servers = {_server(job.source.dsn), _server(job.sink.dsn)}
    except psycopg2.OperationalError as error:
        raise failed(str(error), job) from None
    if len(servers) > 1:
        raise Failure("unsupported", TWO_DATABASES)


def _server(dsn: str) -> str:
    connection = psycopg2.connect(dsn, connect_timeout=30)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
            return str(cursor.fetchone()[0])
    finally:
        connection.close()


def failed(said: str, job: Job) -> Failure:
    """The category that the database's or dbt's words mean; without the statement and without passwords."""
    text = " ".join(said.split("compiled code at", maxsplit=1)[0].split())
    for dsn in (job.source.dsn, job.sink.dsn):
        password = credentials(dsn)["DBT_ENV_SECRET_PASSWORD"]
        text = text.replace(password, "***") if password else text
    lower = text.lower()
    for needle, category, retryable in _BY_TEXT:
        if needle in lower:
            return Failure(category, text[:_MESSAGE_CHARACTERS], retryable=retryable)
    return Failure("internal", text[:_MESSAGE_CHARACTERS])


if __name__ == "__main__":
    serve(describe, load, fork=True)
