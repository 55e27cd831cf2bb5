"""A finding's script, run as a stranger would: by uv, with what its header names, and an empty database.

The script is somebody else's word about an engine; what it printed is kept, shortened and masked. It knows
nothing of this project, and this module nothing of findings.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter

import psycopg
from psycopg import sql

from certification_pipeline.harness.engines.venv import EngineUnavailable, run_environment, run_uv, uv_binary
from certification_pipeline.harness.services import watchdog
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_probes import with_database
from certification_pipeline.redaction import Redactor

TIMEOUT = 300.0
"""Seconds, without the download of what the script needs."""
LONGEST = 4_000


class Shown(StrEnum):
    """What a script showed."""

    REPRODUCED = "REPRODUCED"
    NOT_REPRODUCED = "NOT REPRODUCED"
    BROKE = "BROKE"
    """It ended otherwise than a reproduction does: neither proved nor disproved."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of one script."""

    shown: Shown
    said: str
    """The end of what it printed."""
    seconds: float


def reproduce(script: Path, dsn: str, folder: Path, guardian: Guardian, redactor: Redactor) -> Reproduction:
    """Run the script in ``folder`` with the DSN of an empty database; never raises for what it does.

    Raises ``EngineUnavailable`` when what its header names cannot be installed here.
    """
    sync = ("sync", "--quiet", f"--python={sys.executable}", "--script", str(script))
    try:
        run_uv(script.stem, *sync, "--offline")
    except EngineUnavailable:
        run_uv(script.stem, *sync)
    clock, mark = perf_counter(), secrets.token_hex(8)
    command = (
        uv_binary(script.stem),
        *("run", "--quiet", "--offline", f"--python={sys.executable}", "--script", str(script), dsn),
    )
    with subprocess.Popen(
        command,
        cwd=folder,
        env=run_environment({"NO_COLOR": "1", watchdog.MARK_VARIABLE: mark}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        key = guardian.add_process(process.pid, mark=mark)
        try:
            raw, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            _end(process)
            raw, _ = process.communicate()
            raw += f"\nended after {TIMEOUT:.0f} s".encode()
        finally:
            _end(process)
            guardian.remove(key)
    text = redactor.redact(raw[-LONGEST:].decode("utf-8", "replace")).strip()
    return Reproduction(_shown(process.returncode, text), text, round(perf_counter() - clock, 2))


@contextmanager
def empty_database(admin_dsn: str) -> Iterator[str]:
    """The DSN of a database with nothing in it, dropped with the block."""
    name = f"finding_{secrets.token_hex(6)}"
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield with_database(admin_dsn, name)
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _shown(code: int, text: str) -> Shown:
    last = text.splitlines()[-1] if text else ""
    if code == 1 and last.startswith(f"{Shown.REPRODUCED}:"):
        return Shown.REPRODUCED
    return Shown.NOT_REPRODUCED if code == 0 and last.startswith(Shown.NOT_REPRODUCED) else Shown.BROKE


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group: engines fork."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
