# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["dpone[postgres]==0.88.0"]
# ///
"""dpone behind the engine protocol: a manifest is written, ``dpone.run`` runs it, its report is passed on.

dpone is imported once (seconds), and each load is a forked child. This file knows how a load runs;
``manifest.py`` knows what the request is in dpone's words, ``operator_side.py`` what dpone leaves to whoever
runs it, ``failures.py`` how to name what went wrong.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from contextlib import nullcontext
from importlib.metadata import version
from typing import Any

import dpone  # type: ignore[import-not-found]
import operator_side  # type: ignore[import-not-found]
from certify_driver import Failure, Job, config, installed, serve  # type: ignore[import-not-found]
from failures import classify  # type: ignore[import-not-found]
from manifest import connection, manifest, refused, source_schema  # type: ignore[import-not-found]

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
    if why := refused(job, config()):
        raise Failure("unsupported", why)
    try:
        return _run(job)
    except Exception as error:
        category, message, retryable = classify(error, job.source.dsn, job.sink.dsn)
        raise Failure(category, message, retryable=retryable) from None


def _run(job: Job) -> dict[str, Any]:
    job.state_dir.mkdir(parents=True, exist_ok=True)
    path = job.state_dir / "manifest.yaml"
    os.environ.update({**connection("SRC", job.source.dsn), **connection("DST", job.sink.dsn)})
    job.phase("prepare")
    prepared = config().get("prepared", False)
    operator_side.make_schemas(job)
    if config().get("make_target"):
        operator_side.make_target(job)
    if prepared:
        operator_side.provision(job)
    with operator_side.view(job) if prepared else nullcontext(source_schema(job)) as schema:
        # JSON is YAML, but for surrogates; no credential is in it
        text = json.dumps(manifest(job, config(), schema), indent=1, ensure_ascii=False)
        # Whole or not at all: a second load of the table at the same time reads it, too.
        aside = path.with_name(f"{path.name}.{os.getpid()}.new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
        job.phase("load")
        report = dpone.run(path, run_id=job.run_id)
    result = report.result
    if not report.passed:
        raise RuntimeError("; ".join(str(each) for each in getattr(result, "errors", ())) or "not passed")
    claims = {field: getattr(result, name, None) for field, name in REPORTED.items()}
    return {"run_id": report.run_id, **{name: value for name, value in claims.items() if value is not None}}


if __name__ == "__main__":
    for each in WARM:
        importlib.import_module(each)
    serve(describe, load, fork=True)
