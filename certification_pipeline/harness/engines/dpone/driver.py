# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["dpone[postgres]==0.88.0"]
# ///
"""dpone behind the engine protocol: a manifest is written, ``dpone.run`` runs it, its report is passed on.

dpone is imported once (seconds), and each load is a forked child. This file knows how a load runs;
``manifest.py`` knows what the request is in dpone's words, ``failures.py`` how to name what went wrong.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib.metadata import version
from typing import Any

import dpone  # type: ignore[import-not-found]
import psycopg
from certify_driver import Failure, Job, config, installed, serve  # type: ignore[import-not-found]
from failures import classify  # type: ignore[import-not-found]
from manifest import COLUMN_TYPES, connection, manifest, refused, schemas  # type: ignore[import-not-found]
from psycopg import sql

WARM = ("dpone.runtime.bootstrap", "dpone.runtime.bootstrap_runner", "psycopg_binary.pq")
"""What dpone imports only while it runs; imported before the fork, no load pays for it."""

REPORTED = {
    "extracted_rows": "extracted_rows",
    "inserted_rows": "inserted_rows",
    "updated_rows": "updated_rows",
    "final_rows": "final_rows",
}
"""Field of the run record -> field of dpone's result."""


def describe() -> dict[str, Any]:
    """Which dpone, and which of its configurations."""
    return {
        "engine": config().get("engine", "dpone"),
        "version": version("dpone"),
        "artifact_digest": installed("dpone"),
        "details": {"python": sys.version.split()[0], "psycopg": version("psycopg")},
    }


def load(job: Job) -> dict[str, Any]:
    """One run of one manifest; see the module docstring."""
    if why := refused(job):
        raise Failure("unsupported", why)
    try:
        return _run(job)
    except Exception as error:
        category, message, retryable = classify(error, job.source.dsn, job.sink.dsn)
        raise Failure(category, message, retryable=retryable) from None


def _run(job: Job) -> dict[str, Any]:
    job.state_dir.mkdir(parents=True, exist_ok=True)
    path = job.state_dir / "manifest.yaml"
    text = json.dumps(
        manifest(job, config()), indent=1, ensure_ascii=False
    )  # JSON is YAML, but for surrogates
    path.write_text(text, encoding="utf-8")  # no credential is in it
    os.environ.update({**connection("SRC", job.source.dsn), **connection("DST", job.sink.dsn)})
    job.phase("prepare")
    _make_schemas(job)
    job.phase("load")
    report = dpone.run(path, run_id=job.run_id)
    result = report.result
    if not report.passed:
        raise RuntimeError("; ".join(str(each) for each in getattr(result, "errors", ())) or "not passed")
    claims = {field: getattr(result, name, None) for field, name in REPORTED.items()}
    return {"run_id": report.run_id, **{name: value for name, value in claims.items() if value is not None}}


def _make_schemas(job: Job) -> None:
    """Target, staging and state schema: dpone makes tables, the operator makes schemas (README.md)."""
    with psycopg.connect(job.sink.dsn, autocommit=True) as database:
        for schema in schemas(job):
            database.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        if config().get("make_target"):
            columns = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(each.name), sql.SQL(COLUMN_TYPES[each.type]))
                for each in job.columns
            )
            target = sql.Identifier(schemas(job)[0], job.sink.name)
            database.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(target, columns))


if __name__ == "__main__":
    for each in WARM:
        importlib.import_module(each)
    serve(describe, load, fork=True)
