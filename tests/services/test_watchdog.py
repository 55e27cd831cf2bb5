"""Ending a tree: nobody who carries the mark is missed, not even inside execve(2)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from certification_pipeline.harness.services import watchdog


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_child_that_has_only_just_been_started_is_found_by_its_mark() -> None:
    """Between execve(2) and the new stack, /proc shows no environment: about one start in sixteen."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    for attempt in range(60):
        mark = f"test-{os.getpid()}-{attempt}"
        environment = {**os.environ, watchdog.MARK_VARIABLE: mark}
        escaped = subprocess.Popen(["sleep", "600"], start_new_session=True, env=environment)
        try:
            watchdog.end_tree(gone.pid, mark=mark)
            assert escaped.wait(timeout=10) == -9
        finally:
            escaped.kill()
            escaped.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_stranger_is_left_alone() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True, env={})
    try:
        watchdog.end_tree(gone.pid, mark="somebody-else")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
