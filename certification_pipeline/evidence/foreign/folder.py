"""A directory of somebody else's files, walked once. No link is followed and nothing outside is read.

What an artifact names was named from some working directory that nobody knows any more: :meth:`Folder.named`
looks for it inside the folder only.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow

LARGEST_FILE = 32 << 20
"""Bytes. The largest file dpone 0.88 was seen to write has 700 kB."""
MOST_FILES = 20_000
DEEPEST = 16
"""Folders below the directory; what lies deeper is left out, and said to be."""

_REMEDY = "Name the folder that holds the artifacts"


@dataclass(frozen=True, slots=True)
class Named:
    """A file an artifact names. ``sure``: it lies exactly where the name says, seen from the folder."""

    path: str
    sure: bool


class Folder:
    """Relative paths of all regular files, sorted; links and special files are listed in ``left_out``."""

    def __init__(self, directory: Path) -> None:
        self.root = directory.absolute()
        self.left_out: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        if directory.is_symlink() or not directory.is_dir():
            missing = not directory.exists()
            problem = "there is nothing" if missing else "is no directory"
            kind = ProblemKind.MISSING if missing else ProblemKind.UNREADABLE
            raise EvidenceError(str(directory), None, problem, _REMEDY, kind)
        found: list[str] = []
        self._walk(self.root, "", 0, found)
        self.files = tuple(sorted(found))

    def read(self, path: str) -> bytes:
        """The bytes of one of ``files``. Raises EvidenceError for what cannot be read."""
        return read_no_follow(self.root / path, path, LARGEST_FILE)

    def digest(self, path: str) -> str | None:
        """Lower-case hex SHA-256, as dpone spells it; ``None`` when it cannot be read."""
        if path not in self._digests:
            try:
                self._digests[path] = hashlib.sha256(self.read(path)).hexdigest()
            except EvidenceError as error:
                self.left_out[path] = error.problem
                return None
        return self._digests[path]

    def named(self, name: str, by: str) -> Named | None:
        """The file that ``name`` means in an artifact at ``by``, or ``None``.

        Tried in turn: below the folder as it stands; beside the artifact; then ever shorter ends of the name
        below the folder, as when a folder was copied out of a larger one.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or not parts or "\0" in name:
            return None
        if parts[0] == "/":
            parts = parts[1:]
        elif "/".join(parts) in self._known:
            return Named("/".join(parts), sure=True)
        beside = str(PurePosixPath(by).parent / "/".join(parts))
        if beside in self._known:
            return Named(beside, sure=True)
        for start in range(len(parts)):
            if (end := "/".join(parts[start:])) in self._known:
                return Named(end, sure=False)
        return None

    def holding(self, digest: str) -> str | None:
        """A file with that content, wherever it lies."""
        return self._by_digest.get(digest)

    def called(self, name: str) -> tuple[str, ...]:
        """Every file of that name, wherever it lies."""
        return tuple(self._by_name.get(name, ()))

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        named: dict[str, list[str]] = {}
        for path in self.files:
            named.setdefault(path.rpartition("/")[2], []).append(path)
        return named

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def _by_digest(self) -> dict[str, str]:
        digests = ((self.digest(path), path) for path in reversed(self.files))
        return {digest: path for digest, path in digests if digest is not None}

    def _walk(self, directory: Path, shown: str, depth: int, found: list[str]) -> None:
        if depth > DEEPEST:
            self.left_out[shown] = f"lies more than {DEEPEST} folders deep"
            return
        try:
            with os.scandir(directory) as entries:
                below = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise EvidenceError.from_os(shown or str(directory), error, "list") from None
        for entry in below:
            path = f"{shown}/{entry.name}" if shown else entry.name
            if entry.is_symlink():
                self.left_out[path] = "is a symbolic link, and none is followed"
            elif entry.is_dir(follow_symlinks=False):
                self._walk(Path(entry.path), path, depth + 1, found)
            elif not entry.is_file(follow_symlinks=False):
                self.left_out[path] = "is no regular file"
            elif len(found) >= MOST_FILES:
                raise EvidenceError(
                    str(self.root), None, f"holds more than {MOST_FILES} files", "Name a smaller folder"
                )
            else:
                found.append(path)
