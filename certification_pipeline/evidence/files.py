"""Files that are either wholly there or not: atomic writes, and reads that follow no link.

Knows nothing of what is inside a file.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind

SEGMENT_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._+=-]*"
_SEGMENT = re.compile(SEGMENT_PATTERN)
_TEMPORARY = re.compile(r"\..+\.(\d+)\.\d+\.tmp")
_STALE_SECONDS = 3600.0
_CHUNK = 1 << 20
_counter = itertools.count()


def safe_segment(name: str, what: str, longest: int = 128) -> str:
    """``name`` if it can only ever be one path segment; else EvidenceError naming ``what`` it is."""
    if len(name) > longest or ".." in name or name.endswith(".") or not _SEGMENT.fullmatch(name):
        problem = f"{name[:80]!r} is no safe {what}"
        allowed = "letters, digits and . _ + = -, starting with a letter or digit"
        remedy = f"Use {allowed}, at most {longest} characters"
        raise EvidenceError(what, None, problem, remedy)
    return name


def is_temporary(name: str) -> bool:
    """Whether ``name`` is a write in progress, or one that was killed."""
    return _TEMPORARY.fullmatch(name) is not None


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``, or leave it as it was and raise EvidenceError saying why."""
    _place(path, data, lambda temporary: temporary.replace(path))


@contextmanager
def streaming_atomically(path: Path) -> Iterator[BinaryIO]:
    """As :func:`write_atomically`, for what is written piece by piece: all of the block's writes, or none."""
    with _placing(path, lambda temporary: temporary.replace(path)) as file:
        yield file


def create_atomically(path: Path, data: bytes, mode: int | None = None) -> None:
    """As :func:`write_atomically`, but only one writer can ever make ``path``: the next is refused.

    ``mode``: permissions it has from its first byte on, e.g. ``0o600``.
    """

    def link(temporary: Path) -> None:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            remedy = "Somebody else made it first: try again"
            raise EvidenceError(str(path), None, "is there already", remedy, ProblemKind.REFUSED) from None
        temporary.unlink()

    _place(path, data, link, mode)


def _place(path: Path, data: bytes, put: Callable[[Path], object], mode: int | None = None) -> None:
    with _placing(path, put, mode) as file:
        file.write(data)


@contextmanager
def _placing(path: Path, put: Callable[[Path], object], mode: int | None = None) -> Iterator[BinaryIO]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(_counter)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            opener = None if mode is None else partial(os.open, mode=mode)
            with open(temporary, "xb", opener=opener) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            put(temporary)
        except BaseException:  # Ctrl-C too: no half-written file stays behind
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise EvidenceError.from_os(str(path), error, "write") from None


def clean_temporaries(directory: Path) -> None:
    """Remove what killed writers left in ``directory``; never what a living one is writing."""
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if match and (_gone(int(match[1])) or time.time() - entry.stat().st_mtime > _STALE_SECONDS):
                with suppress(OSError):
                    Path(entry.path).unlink()


def read_no_follow(name: str | Path, shown: str, largest: int, dir_fd: int | None = None) -> bytes:
    """The bytes of a regular file of at most ``largest`` bytes; links, pipes and devices are refused."""
    with _reading(name, shown, largest, dir_fd) as (descriptor, size):
        return _read_all(descriptor, size)


def digest_no_follow(name: str | Path, shown: str, largest: int) -> tuple[str, int]:
    """SHA-256, in hex, and size of what :func:`read_no_follow` gives, without holding it."""
    digest, total = hashlib.sha256(), 0
    with _reading(name, shown, largest, None) as (descriptor, size):
        while part := os.read(descriptor, min(_CHUNK, size + 1 - total)):
            digest.update(part[: size - total])
            total += len(part)
            if total > size:  # it grows while it is read
                break
    return digest.hexdigest(), min(total, size)


@contextmanager
def _reading(name: str | Path, shown: str, largest: int, dir_fd: int | None) -> Iterator[tuple[int, int]]:
    """A descriptor and the file's size."""
    descriptor = _open_no_follow(name, shown, dir_fd)
    try:
        size = os.fstat(descriptor).st_size
        if size > largest:
            problem = f"has {size} bytes, more than the {largest} allowed"
            raise EvidenceError(shown, None, problem, "No artifact is that large: produce it again")
        yield descriptor, size
    except OSError as error:
        raise EvidenceError.from_os(shown, error, "read") from None
    finally:
        os.close(descriptor)


@contextmanager
def open_lines(directory: Path, path: str, longest: int) -> Iterator[Iterator[bytes]]:
    """The lines of a file below ``directory``, read one by one; refuses what ``read_no_follow`` refuses.

    Each has its line break, as far as it has one; one of more than ``longest`` bytes comes in pieces.
    """
    descriptor = _open_no_follow(resolve_inside(directory, path), path, None)
    with os.fdopen(descriptor, "rb") as file:

        def lines() -> Iterator[bytes]:
            try:
                while line := file.readline(longest):
                    yield line
            except OSError as error:
                raise EvidenceError.from_os(path, error, "read") from None

        yield lines()


def _open_no_follow(name: str | Path, shown: str, dir_fd: int | None) -> int:
    """A descriptor of a regular file."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer that never comes.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError as error:
        raise EvidenceError.from_os(shown, error, "read") from None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise EvidenceError(shown, None, "is not a regular file", "Remove it and produce the evidence again")


def resolve_inside(directory: Path, path: str | Path) -> Path:
    """``path`` (relative to ``directory``, or absolute below it) with no link or ``..`` on the way.

    The last segment is left to :func:`read_no_follow`.
    """
    given = Path(path)
    try:
        relative = given.relative_to(directory) if given.is_absolute() else given
    except ValueError:
        raise _outside(given) from None
    if not relative.parts or ".." in relative.parts:
        raise _outside(given)
    step = directory
    for part in relative.parts[:-1]:
        step = step / part
        if step.is_symlink():
            problem = f"{step.relative_to(directory)} is a symbolic link"
            raise EvidenceError(str(given), None, problem, "Put the directory itself there")
    return directory / relative


def _outside(path: Path) -> EvidenceError:
    remedy = "Evidence of a release lies in its directory: copy the file there, or name it relative to it"
    return EvidenceError(str(path), None, "lies outside the release's directory", remedy)


def _read_all(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    parts = [data]  # short reads happen on network file systems
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
        if sum(map(len, parts)) > size:
            break
    return b"".join(parts)[:size]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
