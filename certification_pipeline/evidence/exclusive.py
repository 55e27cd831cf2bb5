"""One writer a release: a lock file that the kernel lets go of when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from certification_pipeline.evidence.errors import EvidenceError

LOCK = ".lock"
_LOOK_AGAIN_SECONDS = 0.02


class Held(Exception):  # noqa: N818 - a state of the lock, not a defect
    """Another process holds the lock; ``pid`` is what it wrote there, 0 when it cannot be read."""

    def __init__(self, path: Path, pid: int) -> None:
        super().__init__(f"{path} is held by process {pid or 'unknown'}")
        self.path = path
        self.pid = pid


@contextmanager
def writing(directory: Path, patience: float = 0.0) -> Iterator[None]:
    """Be the only one who writes below ``directory``, which is made when absent.

    Waits ``patience`` seconds at most: raises :class:`Held` when somebody else is writing,
    ``EvidenceError`` when the lock file cannot be made. The file stays: removing it would let two
    processes hold two locks of one name.
    """
    path = directory / LOCK
    with lock_file(path) as descriptor:
        until = time.monotonic() + patience
        while not locked(descriptor, path, fcntl.LOCK_EX):
            if time.monotonic() >= until:
                raise Held(path, _holder(descriptor))
            time.sleep(_LOOK_AGAIN_SECONDS)
        _sign(descriptor, path)
        yield


@contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """The open file, made with its directories when absent; what is locked in it is let go of at the end.

    A link that lies there is not followed. Raises ``EvidenceError`` when it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise EvidenceError.from_os(str(path), error, "write") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def locked(descriptor: int, path: Path, kind: int) -> bool:
    """Take a lock of that ``kind`` (``fcntl.LOCK_EX``, ``LOCK_SH``) if nobody is in the way, at once.

    Raises ``EvidenceError`` for a file system without locks.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise EvidenceError.from_os(str(path), error, "lock") from None
    return True


def _sign(descriptor: int, path: Path) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    except OSError as error:
        raise EvidenceError.from_os(str(path), error, "write") from None


def _holder(descriptor: int) -> int:
    try:
        return int(os.pread(descriptor, 20, 0))
    except (OSError, ValueError):
        return 0
