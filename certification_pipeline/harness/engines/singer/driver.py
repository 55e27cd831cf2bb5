# /// script
# requires-python = ">=3.11"
# dependencies = []
# ///
"""Any Singer tap with any Singer target behind the engine protocol: two programs, and a pipe of ours.

Which programs they are, how they are configured and what each strategy means to them is the catalogue's
``driver.config`` (see README.md); nothing here knows PostgreSQL or DuckDB. Tap and target each live in an
environment of their own, as Singer's documentation has it; this script needs nothing but Python.

A load is: discovery, a catalogue with the one stream selected, ``tap --catalog [--state] | target``. The last
state that the *target* prints is the state that is kept.
"""

from __future__ import annotations

import sys
from typing import Any

from certify_driver import Failure, Job, config, serve  # type: ignore[import-not-found]
from failures import classify  # type: ignore[import-not-found]
from folder import Folder  # type: ignore[import-not-found]
from pair import Pair, ProgramFailed  # type: ignore[import-not-found]
from settings import Wiring, digest_of, versions  # type: ignore[import-not-found]
from stream import StreamMissing, catalogue_for  # type: ignore[import-not-found]


def describe() -> dict[str, Any]:
    """Both halves by name, version and digest; the engine is the pair."""
    found = {role: versions(role, config()[role]) for role in ("tap", "target")}
    return {
        "engine": config()["engine"],
        "version": " + ".join(half["version"] for half in found.values()),
        "artifact_digest": digest_of(found),
        "details": {"python": sys.version.split()[0], **found},
    }


def load(job: Job) -> dict[str, Any]:
    """One load of one stream; see the module docstring."""
    wiring = Wiring(config(), job)
    wiring.refuse_unsupported()
    folder = Folder(job.state_dir)
    before = folder.state()
    pair = Pair(wiring, folder)
    claims: dict[str, Any] = {"state_before": before or {}}
    try:
        pair.prepare(first=before is None)
        job.phase("discover")
        pair.start_target()
        catalogue = catalogue_for(folder, wiring, job, pair.discover)
        job.phase("load")
        pair.run(catalogue, job.progress)
    except StreamMissing as missing:
        raise Failure("not_found", str(missing), record=claims) from None
    except ProgramFailed as failed:
        category, message, retryable = classify(failed.program, failed.code, failed.said)
        record = {**claims, "extracted_rows": pair.records, "state_after": folder.state() or {}}
        raise Failure(category, wiring.redact(message), retryable=retryable, record=record) from None
    finally:
        pair.close()
    return {**claims, "extracted_rows": pair.records, "state_after": folder.state() or {}}


if __name__ == "__main__":
    serve(describe, load, fork=True)
