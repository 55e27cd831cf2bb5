"""The promise: whatever was started is gone when its starter was killed with SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from certification_pipeline.harness.services import watchdog
from certification_pipeline.harness.services.guardian import Guardian
from tests.services.waiting import wait_absent, wait_gone

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")


def _parent(body: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that registers things, prints the pids it started, and waits."""
    code = (
        "import subprocess, sys, time\nfrom pathlib import Path\n"
        + textwrap.dedent(body)
        + "\ntime.sleep(600)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def _read_pids(parent: subprocess.Popen[str]) -> list[int]:
    assert parent.stdout is not None
    return [int(word) for word in parent.stdout.readline().split()]


SPAWN = """
    from certification_pipeline.harness.services.guardian import Guardian
    child = subprocess.Popen(["sh", "-c", "sleep 600 & setsid sleep 600 & echo $! ; wait"],
                             stdout=subprocess.PIPE, start_new_session=True, text=True)
    escaped = int(child.stdout.readline())
    home = Path(sys.argv[1]); home.mkdir(); (home / "f").write_text("x")
    guardian = Guardian()
    guardian.add_process(child.pid)
    guardian.add_path(home)
    guardian.add_module("json.tool", stdin="not json, so it fails: the rest must be done all the same")
    print(child.pid, escaped, guardian.pid, flush=True)
"""


def test_everything_is_gone_after_the_parent_was_killed(tmp_path: Path) -> None:
    parent = _parent(SPAWN, str(tmp_path / "home"))
    pids = _read_pids(parent)
    parent.kill()
    parent.wait()
    assert [pid for pid in pids if not wait_gone(pid)] == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("at", ["once", "when it watches"])
def test_a_forked_copy_of_the_pipe_does_not_keep_it_waiting(tmp_path: Path, at: str) -> None:
    fork = "    import os\n    if os.fork() == 0: time.sleep(600)\n    print("
    parent = _parent(SPAWN.replace("    print(", fork), str(tmp_path / "home"))
    child, _, guard = _read_pids(parent)
    if at == "when it watches":
        _await_pidfd(guard)
    os.kill(parent.pid, signal.SIGKILL)  # the parent only: its forked child lives on and holds the pipe
    try:
        parent.wait()
        assert wait_gone(child)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)


def _await_pidfd(pid: int) -> None:
    """Until the watchdog holds a handle of its parent: started, and past its first look."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):  # it closes some while this looks
            if any("pidfd" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()):
                return
        time.sleep(0.01)
    raise AssertionError(f"{pid} holds no handle of its parent")


def test_ctrl_c_at_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    with Guardian() as guardian:
        guardian.add_path(tmp_path / "x")
        assert guardian.pid is not None
        assert os.getpgid(guardian.pid) != os.getpgid(0)
        os.kill(guardian.pid, signal.SIGINT)
        os.kill(guardian.pid, signal.SIGTERM)
        (tmp_path / "x").mkdir()
    assert not (tmp_path / "x").exists()


def test_what_was_removed_from_the_register_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        with Guardian() as guardian:
            guardian.remove(guardian.add_path(tmp_path / "kept"))
            guardian.remove(guardian.add_process(sleeper.pid))
            guardian.remove("unknown")
        assert (tmp_path / "kept").is_dir()
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_killed_watchdog_is_replaced_and_told_everything_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with Guardian() as guardian:
        guardian.add_path(tmp_path / "a")
        first = guardian.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert wait_gone(first)
        guardian.add_path(tmp_path / "b")
        assert guardian.pid != first
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_a_stranger_that_got_the_pid_is_not_killed() -> None:
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        started = watchdog.start_time(sleeper.pid)
        assert started is not None
        watchdog.end_tree(sleeper.pid, started - 1)
        assert sleeper.poll() is None
        watchdog.end_tree(sleeper.pid, started)
        assert sleeper.wait(10) == -signal.SIGKILL
    finally:
        sleeper.kill()


def test_nothing_high_up_can_be_registered_for_removal() -> None:
    guardian = Guardian()
    for path in ("/", "/tmp", "/home"):
        with pytest.raises(ValueError, match="refusing"):
            guardian.add_path(Path(path))
    assert guardian.pid is None


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "link").symlink_to(tmp_path / "precious")
    with Guardian() as guardian:
        guardian.add_path(tmp_path / "ours")
    assert (tmp_path / "precious" / "file").exists()
    assert not (tmp_path / "ours").exists()


@pytest.mark.integration
def test_a_postgres_cluster_dies_with_its_killed_parent() -> None:
    parent = _parent(
        """
        from certification_pipeline.harness.services.registry import ServiceContext, resolve
        cluster = resolve("postgres", ServiceContext()).start("doomed")
        print(cluster.pid, flush=True)
        print(cluster._home, flush=True)
        """
    )
    [postmaster] = _read_pids(parent)
    assert parent.stdout is not None
    home = Path(parent.stdout.readline().strip())
    backends = watchdog.descendants(postmaster)
    assert home.is_dir()
    assert backends
    parent.kill()
    parent.wait()
    assert [pid for pid in (postmaster, *backends) if not wait_gone(pid)] == []
    assert wait_absent(home)
