# /// script
# requires-python = ">=3.11"
# dependencies = [
#     # The packages that hold the binary; `sling` itself is only Python around it. Later ones download it.
#     "sling-linux-amd64==1.3.5; sys_platform == 'linux' and platform_machine == 'x86_64'",
#     "sling-linux-arm64==1.3.5; sys_platform == 'linux' and platform_machine == 'aarch64'",
# ]
# ///
"""sling, a Go binary, behind the engine protocol: one process of it for each load.

Runs in an environment of its own and imports nothing of certification_pipeline but the driver kit. This file
knows processes and what sling prints; ``mapping.py`` knows how a load is put to sling, ``failures.py`` what
its failures mean. ``SLING_BINARY`` names another binary than the one in the lock.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from certify_driver import Failure, Job, config, serve  # type: ignore[import-not-found]
from certify_failures import redact  # type: ignore[import-not-found]
from failures import classify, readable  # type: ignore[import-not-found]
from mapping import connections, replication  # type: ignore[import-not-found]

_PHASES = {
    "connecting to": "connect",
    "getting checkpoint value": "state",
    "reading from source": "extract",
    "writing to target": "stage",
    "streaming data": "load",
}
_WRITTEN = re.compile(r"^(?:inserted|wrote) (\d+) rows")


def binary() -> Path:
    """The sling that runs."""
    if named := os.environ.get("SLING_BINARY"):
        return Path(named)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    package = f"sling_linux_{machine}"
    return Path(sysconfig.get_paths()["purelib"]) / package / "bin" / f"sling-linux-{machine}"


def describe() -> dict[str, Any]:
    """Version as the binary says it, digest of its bytes."""
    program = binary()
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60)
    version = said.stdout.strip().removeprefix("Version:").strip()
    with program.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    engine = "sling_inclusive" if config().get("incremental") == "inclusive" else "sling"
    return {"engine": engine, "version": version, "artifact_digest": f"sha256:{digest}"}


def load(job: Job) -> dict[str, Any]:
    """One ``sling run`` of one stream. Raises ``Failure``."""
    config = replication(job)
    file = job.state_dir / "replication.json"
    file.write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    job.phase("start")
    process = subprocess.Popen(
        [binary(), "run", "-r", str(file)],
        env=_environment(job),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=job.state_dir,
        # No thread runs here.
        preexec_fn=_die_with_parent if sys.platform.startswith("linux") else None,  # noqa: PLW1509
    )
    written: int | None = None
    lines: list[str] = []
    for line in _said(process):
        lines.append(line)
        sys.stderr.write(redact(line, job.source.dsn, job.sink.dsn) + "\n")
        for start, phase in _PHASES.items():
            if line.startswith(start):
                job.phase(phase)
        if found := _WRITTEN.match(line):
            written = int(found[1])
    if process.wait() != 0:
        failure = classify(lines, process.returncode, job.source.dsn, job.sink.dsn)
        raise Failure(failure.category, failure.message, retryable=failure.retryable)
    return _claims(job, written)


def _claims(job: Job, written: int | None) -> dict[str, Any]:
    """sling counts the rows that it took from the stream; of a merge it does not say which were new."""
    claims: dict[str, Any] = {"extracted_rows": written, "loaded_rows": written}
    if job.strategy == "incremental_append":
        claims |= {"inserted_rows": written, "updated_rows": 0, "deleted_rows": 0}
    return claims


def _environment(job: Job) -> dict[str, str]:
    home = job.state_dir / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR", "TZ", "LANG")}
    return {
        **kept,
        **connections(job),
        "HOME": str(home),
        "SLING_HOME_DIR": str(home),
        "SLING_TEMP_DIR": str(home),
        "SLING_DISABLE_TELEMETRY": "TRUE",
        "SLING_LOGGING": "JSON",
        # https://docs.slingdata.io/sling-cli/variables: without it an empty stream leaves no table.
        "SLING_ALLOW_EMPTY": "TRUE",
    }


def _said(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What sling prints: JSON lines while it works, plain text when it gives up."""
    assert process.stdout is not None
    for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip()
        try:
            message = json.loads(line)["msg"]
        except (ValueError, TypeError, KeyError):
            message = line
        if text := readable(str(message)):
            yield text


def _die_with_parent() -> None:
    """Linux: no orphan keeps writing to a sink when the driver is killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    serve(describe, load)
