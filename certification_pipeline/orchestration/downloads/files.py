"""What of the evidence root whoever reaches the port may read: nothing above it, behind a link, or secret.

A path is walked one directory at a time on open descriptors: a link put there meanwhile leads nowhere.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from certification_pipeline.evidence import layout

SHOWN = (
    layout.RELEASES,
    layout.CHAIN,
    layout.PUBLISHED,
    layout.BASELINES,
    layout.ATTESTED,
    layout.CALIBRATIONS,
    layout.LATEST,
)
"""What of the root is evidence; locks, caches and whatever else lies there is nobody's business."""
TYPES = {
    ".json": "application/json",
    ".jsonl": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".xml": "application/xml",
    ".svg": "image/svg+xml",
    ".csv": "text/csv; charset=utf-8",
    ".lock": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".sql": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".yml": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
}
"""Suffix -> content type of all that evidence consists of. Anything else (a key, a database) is not sent."""
CHUNK = 1 << 16
_PRIVATE = b"PRIVATE KEY-----"


class RefusedError(Exception):
    """Why a path is not answered; ``status`` is HTTP's, the text is for people."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Entry(NamedTuple):
    """One name in a directory."""

    name: str
    is_directory: bool
    size: int
    modified: float


@dataclass(frozen=True)
class Found:
    """An open file of known digest. Whoever gets it closes it."""

    file: BinaryIO
    name: str
    size: int
    sha256: str
    content_type: str


def segments(path: str) -> tuple[str, ...]:
    """The parts of a path below the root. ``RefusedError`` for one that could leave it, or is not shown."""
    parts = tuple(part for part in path.split("/") if part)
    for part in parts:
        if part.startswith(".") or "\\" in part or "\0" in part:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"{part[:60]!r} is no name of evidence")
    if parts and parts[0] not in SHOWN:
        raise RefusedError(HTTPStatus.NOT_FOUND, f"{parts[0][:60]!r} is not among the evidence")
    return parts


def read(root: Path, parts: tuple[str, ...]) -> Found | list[Entry]:
    """An open file with its digest, or what a directory holds, sorted by name. Raises ``RefusedError``."""
    descriptor = _open(root, parts)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return _found(os.fdopen(descriptor, "rb"), parts[-1])
    try:
        if stat.S_ISDIR(mode):
            return _entries(descriptor, top=not parts)
        raise RefusedError(HTTPStatus.FORBIDDEN, f"{parts[-1]!r} is no file")
    finally:
        os.close(descriptor)


def walk(root: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every file below a directory that may be read, in order."""
    listed = read(root, parts)
    if not isinstance(listed, list):
        listed.file.close()
        yield parts
        return
    for entry in listed:
        if entry.is_directory:
            yield from walk(root, (*parts, entry.name))
        else:
            yield (*parts, entry.name)


def content_type(name: str) -> str | None:
    """``None``: not sent."""
    return TYPES.get(PurePosixPath(name).suffix.lower())


def _open(root: Path, parts: tuple[str, ...]) -> int:
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise RefusedError(
            HTTPStatus.NOT_FOUND, "there is no evidence yet: materialize all, or certify run"
        ) from None
    for part in parts:
        try:
            # Non-blocking, or a pipe that lies there would hang whoever asks for it.
            inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
        except OSError as error:
            raise _refused(part, error) from None
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


def _refused(part: str, error: OSError) -> RefusedError:
    if error.errno == errno.ELOOP:
        return RefusedError(HTTPStatus.FORBIDDEN, f"{part!r} is a symbolic link: evidence is files")
    if error.errno in (errno.EACCES, errno.EPERM):
        return RefusedError(HTTPStatus.FORBIDDEN, f"{part!r} cannot be read by this server")
    return RefusedError(HTTPStatus.NOT_FOUND, f"there is no {part[:120]!r} here")


def _entries(descriptor: int, *, top: bool) -> list[Entry]:
    found = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.name.startswith(".") or (top and entry.name not in SHOWN):
                continue
            with suppress(OSError):  # gone meanwhile
                about = entry.stat(follow_symlinks=False)
                directory = stat.S_ISDIR(about.st_mode)
                if directory or (stat.S_ISREG(about.st_mode) and content_type(entry.name)):
                    found.append(Entry(entry.name, directory, about.st_size, about.st_mtime))
    return sorted(found)


def _found(file: BinaryIO, name: str) -> Found:
    try:
        kind = content_type(name)
        if kind is None:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"{name!r} is not sent: no evidence is such a file")
        digest, size, before = hashlib.sha256(), 0, b""
        while chunk := file.read(CHUNK):
            if _PRIVATE in before[-len(_PRIVATE) :] + chunk:
                told = f"{name!r} holds a private key: move it out of the evidence"
                raise RefusedError(HTTPStatus.FORBIDDEN, told)
            digest.update(chunk)
            size, before = size + len(chunk), chunk
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return Found(file, name, size, digest.hexdigest(), kind)
