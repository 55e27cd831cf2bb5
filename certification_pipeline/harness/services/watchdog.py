"""The process that cleans up when we are killed, and the killing itself.

Run as ``python -I -S watchdog.py PARENT_PID`` by :mod:`guardian`, in a session of its own: it holds a pipe to
the parent and, when that closes or the parent is gone, kills what is registered, runs the registered
commands, and removes the registered directories. Standard library only: it must start in milliseconds and
must not depend on what the parent has installed.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress

Entry = dict[str, object]

MARK_VARIABLE = "CERTIFY_PROCESS_MARK"
"""A child finds this in its environment and hands it on to its own children, even to those that left the
process group: that is how they are found."""

COMMAND_TIMEOUT = 30.0
EXEC_SECONDS = 0.2
"""How long a process that shows no environment may be on its way through execve(2)."""
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD in the flags of /proc/<pid>/stat


def start_time(pid: int) -> int | None:
    """When ``pid`` started, in the kernel's ticks; ``None`` when there is no such process (or no ``/proc``).

    Process ids are used again: a pid names a process only together with its start.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def end_tree(pid: int, started: int | None = None, mark: str = "") -> None:
    """SIGKILL the process group that ``pid`` leads, all descendants of ``pid`` and all who carry ``mark``.

    Descendants in groups of their own count (PostgreSQL's backends are such). Everybody is stopped before
    anybody is killed, so that nobody can fork away meanwhile. Does nothing to a stranger that got the pid
    after ours had gone.
    """
    now = start_time(pid)
    if started is not None and now is not None and now != started:
        return
    stopped: set[int] = set()
    send_group(pid, signal.SIGSTOP)
    while fresh := (descendants(pid) | marked(mark)) - stopped - {os.getpid()}:
        for victim in fresh:
            send(victim, signal.SIGSTOP)
        stopped |= fresh
    send_group(pid, signal.SIGKILL)
    for victim in stopped:
        send(victim, signal.SIGKILL)


def _stat(pid: int) -> list[bytes] | None:
    """Fields of ``/proc/<pid>/stat`` from the third on (state, ppid, …); see proc(5)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as handle:  # noqa: PTH123 - pathlib costs start-up time here
            return handle.read().rpartition(b")")[2].split()
    except OSError:
        return None


def _pids() -> Iterable[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return []


def state(pid: int) -> str:
    """One letter: ``R`` running, ``S`` sleeping, ``T`` stopped, ``Z`` dead and not reaped …; empty: gone."""
    fields = _stat(pid)
    return fields[0].decode() if fields else ""


def descendants(root: int) -> set[int]:
    """Everybody below ``root`` in the tree of processes, in process groups of their own too."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        if fields := _stat(pid):
            children.setdefault(int(fields[1]), []).append(pid)
    found: set[int] = set()
    todo = [root]
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def marked(mark: str) -> set[int]:
    """Everybody with :data:`MARK_VARIABLE` so; nobody for an empty mark."""
    if not mark:
        return set()
    needle = f"{MARK_VARIABLE}={mark}\0".encode()
    deadline = time.monotonic() + EXEC_SECONDS
    while True:
        found, unsettled = set(), False
        for pid in _pids():
            with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as handle:  # noqa: PTH123
                environment = handle.read()
                if needle in environment + b"\0":
                    found.add(pid)
                unsettled = unsettled or (not environment and _is_starting(pid))
        if not unsettled or time.monotonic() > deadline:
            return found
        time.sleep(0.001)


def _is_starting(pid: int) -> bool:
    """Whether a process may be inside execve(2): it then shows no environment yet, but soon will."""
    fields = _stat(pid)
    if fields is None or fields[0] in (b"Z", b"X") or int(fields[6]) & _KERNEL_THREAD:
        return False
    with suppress(OSError), open("/proc/uptime", "rb") as handle:  # noqa: PTH123
        age = float(handle.read().split()[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return age < 1.0
    return False


def send(pid: int, number: int) -> None:
    """A signal, to somebody who may be gone by now."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_group(pid: int, number: int) -> None:
    """As :func:`send`, to the process group that ``pid`` leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _gone(pid: int, started: object) -> bool:
    fields = _stat(pid)
    return fields is None or fields[0] in (b"Z", b"X") or (started is not None and int(fields[19]) != started)


def _end_processes(entries: list[Entry]) -> None:
    polite = [entry for entry in entries if entry.get("signal")]
    for entry in polite:
        if not _gone(int(str(entry["pid"])), entry.get("started")):
            send(int(str(entry["pid"])), int(str(entry["signal"])))
    deadline = time.monotonic() + 3.0
    while time.monotonic() < deadline:
        if all(_gone(int(str(entry["pid"])), entry.get("started")) for entry in polite):
            break
        time.sleep(0.02)
    for entry in entries:
        started = entry.get("started")
        end_tree(
            int(str(entry["pid"])),
            started if isinstance(started, int) else None,
            str(entry.get("mark") or ""),
        )


def _run_commands(entries: list[Entry]) -> None:
    for entry in entries:
        argv = entry["argv"]
        if isinstance(argv, list):
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(
                    argv,
                    input=str(entry.get("stdin", "")).encode(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=str(entry.get("cwd") or "/"),
                    timeout=COMMAND_TIMEOUT,
                    check=False,
                )


def _clean_up(registered: dict[str, Entry]) -> None:
    entries = list(registered.values())
    _end_processes([entry for entry in entries if entry["kind"] == "process"])
    _run_commands([entry for entry in entries if entry["kind"] == "command"])
    for entry in entries:
        if entry["kind"] == "path":
            shutil.rmtree(str(entry["path"]), ignore_errors=True)


def _take(line: bytes, registered: dict[str, Entry]) -> None:
    try:
        message = json.loads(line)
    except ValueError:  # cut off by the parent's death
        return
    if "remove" in message:
        registered.pop(message["remove"], None)
    else:
        registered[message["key"]] = message


def _serve(parent: int) -> None:
    registered: dict[str, Entry] = {}
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    # A process that the parent forked holds a copy of the pipe: watch the parent itself as well.
    with suppress(AttributeError, OSError):
        poll.register(os.pidfd_open(parent), select.POLLIN)
    # It may have died before we looked; then what it wrote is in the pipe already.
    patience = None if os.getppid() == parent else 0
    pending = b""
    while any(fd == 0 for fd, _ in poll.poll(patience)):
        chunk = os.read(0, 1 << 16)
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            _take(line, registered)
    _clean_up(registered)


def main() -> None:
    """Watch until the parent is gone, clean up, end."""
    ignored = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ignored)  # the parent started us with them blocked
    _serve(int(sys.argv[1]))


if __name__ == "__main__":
    main()
