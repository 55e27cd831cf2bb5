"""What happens to the files below a directory, as Linux's inotify(7) tells it: by ctypes, nothing to install.

Asynchronous: when an event is read, whoever caused it has gone on. New subdirectories are watched as they
appear; what is in them when the watch is laid is found by looking, and told as if it had been seen. Only what
came and went again before that, within a millisecond or so, is not told.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Action = Literal["created", "written", "renamed", "deleted"]

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _CREATE, _DELETE = 0x2, 0x8, 0x80, 0x100, 0x200
_OVERFLOW, _IGNORED, _IS_DIRECTORY = 0x4000, 0x8000, 0x40000000
_HEADER = struct.Struct("iIII")
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to a file."""

    action: Action
    path: Path
    """Below the directory that is watched."""


class Watch:
    """Calls ``tell`` with every change, in a thread of its own, in the order in which the kernel saw them.

    ``chosen`` says of a name directly below ``root`` whether it is looked at. With ``running`` a file that
    stays open counts as written whenever writing to it begins anew, after something else had happened;
    without, only when it is closed. ``every`` tells of each write (the kernel may make one of several).
    """

    def __init__(
        self,
        root: Path,
        chosen: Callable[[str], bool],
        tell: Callable[[Change], None],
        *,
        running: bool = False,
        every: bool = False,
    ) -> None:
        self._root = root
        self._chosen = chosen
        self._tell = tell
        self._running = running or every
        self._every = every
        self._folders: dict[int, Path] = {}
        self._told_created: set[Path] = set()
        self._told_written: set[Path] = set()
        self._last: Change | None = None
        self._stop, self._wake = os.pipe()
        self._descriptor = -1
        self._thread = threading.Thread(target=self._listen, name="inotify", daemon=True)
        self.overflowed = False
        """The kernel dropped events: what was told is not all that happened."""

    @staticmethod
    def available() -> bool:
        """Whether there is inotify here."""
        return sys.platform == "linux"

    def start(self) -> None:
        """Watch from now on; raises ``OSError`` (no such directory, or too many watches)."""
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._add = libc.inotify_add_watch
        for _ in self._watch(self._root):
            pass  # it was there before
        self._thread.start()

    def stop(self) -> None:
        """Tell what has happened until now, then no more; idempotent."""
        if self._wake < 0:
            return
        os.write(self._wake, b".")
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        for descriptor in (self._descriptor, self._stop, self._wake):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._stop = self._wake = -1

    # --- in the thread ------------------------------------------------------------------------------

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        stopping = False
        while not stopping:
            stopping = any(descriptor == self._stop for descriptor, _ in poll.poll())
            for change in self._changes():
                self._tell(change)

    def _changes(self) -> Iterator[Change]:
        """All that is in the queue."""
        while True:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(data):
                watch, mask, _, length = _HEADER.unpack_from(data, offset)
                offset += _HEADER.size
                name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
                offset += length
                yield from self._change(watch, mask, name)

    def _change(self, watch: int, mask: int, name: str) -> Iterator[Change]:
        if mask & _OVERFLOW:
            self.overflowed = True
            return
        folder = self._folders.get(watch)
        if mask & _IGNORED or folder is None or not name:
            if mask & _IGNORED:
                self._folders.pop(watch, None)
            return
        if folder == self._root and not self._chosen(name):
            return
        path = folder / name
        if mask & _IS_DIRECTORY:
            if mask & _MOVED_TO:
                yield from self._said("renamed", path)
            if mask & (_CREATE | _MOVED_TO):
                yield from self._new_folder(path, told=bool(mask & _MOVED_TO))
            return
        yield from self._file(mask, path)

    def _file(self, mask: int, path: Path) -> Iterator[Change]:
        if mask & _CREATE and not _taken(self._told_created, path):
            yield from self._said("created", path)
        if mask & _MOVED_TO:
            yield from self._said("renamed", path)
        if mask & _DELETE:
            self._told_created.discard(path)
            self._told_written.discard(path)
            yield from self._said("deleted", path)
        if mask & _CLOSE_WRITE and _taken(self._told_written, path):
            pass
        elif mask & (_CLOSE_WRITE | (_MODIFY if self._running else 0)):
            yield from self._said("written", path)

    def _said(self, action: Action, path: Path) -> Iterator[Change]:
        """Coalesced: writing to one file, with nothing else in between, is one change."""
        change = Change(action, path.relative_to(self._root))
        if self._every or not (self._running and action == "written" and change == self._last):
            yield change
        self._last = change

    def _new_folder(self, folder: Path, *, told: bool) -> Iterator[Change]:
        """Watch it; what is in it came before the watch. ``told``: it came as a whole."""
        for path in self._watch(folder):
            if told or path in self._told_created:
                continue
            self._told_created.add(path)
            yield from self._said("created", path)
            if _holds_something(path):
                self._told_written.add(path)
                yield from self._said("written", path)

    def _watch(self, folder: Path) -> Iterator[Path]:
        """Lay watches on it and what is below; the files that are there already."""
        mask = _CLOSE_WRITE | _MOVED_TO | _CREATE | _DELETE | (_MODIFY if self._running else 0)
        watch = self._add(self._descriptor, os.fsencode(folder), mask)
        if watch < 0:
            if folder == self._root:
                raise OSError(ctypes.get_errno(), f"cannot watch {folder.name}")
            return  # it has gone again
        self._folders[watch] = folder
        try:
            there = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in there:
            if folder == self._root and not self._chosen(entry.name):
                continue
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._watch(path)
            else:
                yield path


def _taken(paths: set[Path], path: Path) -> bool:
    """Whether it was among them; it is no more."""
    there = path in paths
    paths.discard(path)
    return there


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
