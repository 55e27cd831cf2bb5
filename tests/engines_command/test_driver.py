"""The command driver with commands of one line."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.harness.engines.environment import ENGINES
from tests.engines.conftest import CANARY
from tests.engines.driving import PATIENCE, Drive, Driver, drive, load

__all__ = ["drive"]

DESCRIBE = b'{"type": "describe", "protocol": "1"}'
DRIVER = str(ENGINES / "command" / "driver.py")


def shell(drive: Drive, line: str, **config: Any) -> Driver:
    """An engine whose full refresh is that line of shell."""
    whole = {"strategies": {"full_refresh": {"argv": ["sh", "-c", line]}}, **config}
    return drive(DRIVER, CERTIFY_ENGINE_CONFIG=json.dumps(whole), CERTIFY_ENGINE_ID="copier")


def test_it_is_called_as_its_folder_is(drive: Drive) -> None:
    driver = shell(drive, "true", version="7.1")
    said = driver.ask(DESCRIBE)
    assert (said["engine"], said["version"]) == ("copier", "7.1")
    assert driver.ask(load())["record"]["engine"] == "copier"


def test_words_in_braces_are_filled_and_counts_are_read(drive: Drive) -> None:
    driver = shell(
        drive,
        'echo "$WHAT {run_id} {not_a_word}"; echo "rows=12 new=3 odd=9"',
        env={"WHAT": "{source_system}:{source_schema}.{source_table}>{sink_table} {primary_key}"},
        result={
            "pattern": r"^postgres:s\.t>t id run-1 \{not_a_word\}\n"
            r"rows=(?P<loaded_rows>\d+) new=(?P<inserted_rows>\d+) odd=(?P<odd>\d+)$"
        },
    )
    record = driver.ask(load())["record"]
    assert (record["loaded_rows"], record["inserted_rows"]) == (12, 3)
    assert "command" in record["timings_seconds"]


def test_counts_may_stand_on_stderr(drive: Drive) -> None:
    counts = {"pattern": r"COPY (?P<loaded_rows>\d+)", "stream": "stderr"}
    assert shell(drive, "echo COPY 5 >&2", result=counts).ask(load())["record"]["loaded_rows"] == 5


def test_an_end_that_says_no_count_is_a_failure(drive: Drive) -> None:
    driver = shell(drive, "echo nothing", result={"pattern": r"rows=(?P<loaded_rows>\d+)"})
    answer = driver.ask(load())
    assert (answer["category"], answer["retryable"]) == ("internal", False)
    assert "`result.pattern`" in answer["message"]


FAILURES = [
    {"pattern": "^FATAL: .*authentication failed", "category": "authentication"},
    {"pattern": "refused", "category": "connectivity", "retryable": True},
]


@pytest.mark.parametrize(
    ("line", "category", "retryable"),
    [
        ("echo hello; echo 'FATAL: password authentication failed' >&2; exit 2", "authentication", False),
        ("echo 'connection refused'; exit 1", "connectivity", True),
        ("echo 'authentication failed or refused' >&2; exit 1", "connectivity", True),
        ("exit 3", "internal", False),
        ("kill -9 $$", "internal", False),
    ],
)
def test_failures_are_told_apart_by_pattern(drive: Drive, line: str, category: str, retryable: bool) -> None:
    answer = shell(drive, line, failure=FAILURES).ask(load())
    assert (answer["category"], answer["retryable"]) == (category, retryable)


def test_words_of_failure_do_not_make_one(drive: Drive) -> None:
    assert shell(drive, "echo refused", failure=FAILURES).ask(load())["type"] == "result"


def test_a_failure_does_not_repeat_the_commands_words(drive: Drive) -> None:
    driver = shell(
        drive, 'echo "refused: $D"; echo "$D" >&2; exit 1', env={"D": "{source_dsn}"}, failure=FAILURES
    )
    first = driver.ask(load())
    assert first["category"] == "connectivity"
    assert CANARY not in json.dumps(first) + driver.stop()


def test_what_runs_too_long_is_killed_with_all_it_started(drive: Drive, tmp_path: Path) -> None:
    driver = shell(drive, "sleep 30 & echo $! >child; echo begun; wait", timeout=0.3)
    answer = driver.ask(load())
    assert (answer["category"], answer["retryable"]) == ("resource", True)
    assert answer["message"] == "no end within 0.3 s"
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + PATIENCE
    while (running := _running(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    if running:
        with suppress(ProcessLookupError):
            os.kill(child, 9)
    assert not running
    assert driver.ask(DESCRIBE)["type"] == "described", "the driver goes on"


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def test_what_is_not_configured_is_refused(drive: Drive) -> None:
    driver = shell(drive, "true")
    assert driver.ask(load(strategy="scd2"))["category"] == "unsupported"
    missing = drive(
        DRIVER, CERTIFY_ENGINE_CONFIG='{"strategies": {"full_refresh": {"argv": ["./no-such-program"]}}}'
    ).ask(load())
    assert missing["category"] == "configuration"
    assert "cannot start ./no-such-program: No such file" in missing["message"]
