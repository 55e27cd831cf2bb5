"""A directory as a store: on this machine, or a file system that several share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.exclusive import LOCK, Held, writing
from certification_pipeline.evidence.files import (
    create_atomically,
    is_temporary,
    read_no_follow,
    resolve_inside,
    write_atomically,
)
from certification_pipeline.evidence.stores.remote import Fetched, Version, checked_key

_PATIENCE_SECONDS = 60.0


class DirectoryStore:
    """Objects as files. Creating is atomic by the file system, replacing by a lock file at the root."""

    def __init__(self, root: Path) -> None:
        self._root = self.root = root.absolute()
        self.shown = str(root)

    def read(self, key: str, largest: int) -> Fetched | None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        try:
            data = read_no_follow(self._path(key), f"{self.shown}/{key}", largest)
        except EvidenceError as error:
            if error.kind is ProblemKind.MISSING:
                return None
            raise
        return Fetched(data, Version(hashlib.sha256(data).hexdigest()))

    def size(self, key: str) -> int | None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        try:
            return self._path(key).stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EvidenceError.from_os(f"{self.shown}/{key}", error, "read") from None

    def create(self, key: str, data: bytes) -> bool:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        path = self._path(key)
        if path.exists():
            return False
        try:
            create_atomically(path, data)
        except EvidenceError:
            if path.exists():
                return False
            raise
        return True

    def replace(self, key: str, data: bytes, version: Version) -> bool:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        try:
            with writing(self._root, _PATIENCE_SECONDS):
                now = self.read(key, 1 << 30)
                if now is None or now.version != version:
                    return False
                write_atomically(self._path(key), data)
                return True
        except Held as held:
            problem = f"process {held.pid or 'unknown'} has been writing for a minute"
            remedy = "Wait for it, or stop it, then try again"
            raise EvidenceError(self.shown, None, problem, remedy, ProblemKind.REFUSED) from None

    def overwrite(self, key: str, data: bytes) -> None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        write_atomically(self._path(key), data)

    def delete(self, key: str) -> None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise EvidenceError.from_os(f"{self.shown}/{key}", error, "write") from None

    def names(self, prefix: str) -> Iterator[str]:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        for directory, _, files in os.walk(self._root / checked_key(prefix.removesuffix("/"))):
            below = Path(directory).relative_to(self._root).as_posix()
            for name in files:
                if not is_temporary(name) and name != LOCK:
                    yield f"{below}/{name}"

    def _path(self, key: str) -> Path:
        return resolve_inside(self._root, checked_key(key))
