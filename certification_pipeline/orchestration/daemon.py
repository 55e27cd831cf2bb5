"""Dagster's daemon that ends when whoever started it does, a kill -9 included.

``python -m certification_pipeline.orchestration.daemon FD …``: the rest are ``dagster-daemon run``'s options.
Dagster's own ``--shutdown-pipe`` is read for a word; a parent that was killed says none, and leaves a daemon
that nobody sees starting runs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from dagster._daemon.cli import create_dagster_daemon_cli


def main() -> None:
    """Run until the pipe's other end is closed."""
    pipe = int(sys.argv[1])
    threading.Thread(target=_end_with, args=(pipe,), name="parent-watch", daemon=True).start()
    create_dagster_daemon_cli()(["run", *sys.argv[2:]], prog_name="dagster-daemon")


def _end_with(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
