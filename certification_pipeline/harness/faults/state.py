"""What is done to the engine's working folder between two loads: lost, damaged, or an older one put back.

At once, when it is armed; healed by what the engine makes of it: a damaged folder is not put right again.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, NothingToDisturb

Damage = Literal["truncate", "flip"]

_BLOCK = 64
"""One byte in so many is flipped, at least one a file."""
_TOLD = 20
"""How many files a witness names; it counts them all."""


@dataclass(frozen=True)
class StateCopy:
    """An engine's working folder as it was; lies beside the folder and goes with it."""

    path: Path
    digest: str
    files: int

    @classmethod
    def take(cls, state_dir: Path) -> StateCopy:
        """Copy it as it is now; no load may be running."""
        beside = state_dir.parent / f"{state_dir.name}.copies"
        number = sum(1 for _ in beside.iterdir()) + 1 if beside.is_dir() else 1
        path = beside / str(number)
        path.mkdir(parents=True)
        _copy(state_dir, path)
        return cls(path, _digest(path), len(_files(path)))


class _StateFault(Fault):
    """Digests before and after are the witness, and the number of files."""

    def __init__(self) -> None:
        self._seen: Facts | None = None

    def arm(self, arena: Arena) -> None:
        """Do it at once. Raises ``NothingToDisturb`` when the folder holds no byte."""
        folder = arena.state_dir
        files = _files(folder)
        if not any(path.stat().st_size for path in files):
            raise NothingToDisturb("the engine keeps nothing in its working folder")
        before = _digest(folder)
        said = self._disturb(folder, files)
        after = _digest(folder)
        if before != after:
            count = {"files_before": len(files), "files_after": len(_files(folder))}
            self._seen = {**count, "digest_before": before, "digest_after": after, **said}

    def witness(self) -> Facts | None:
        """``None`` when the folder is as it was."""
        return self._seen

    def heal(self) -> None:
        """Nothing: what became of the folder is the engine's to deal with."""

    def _disturb(self, folder: Path, files: list[Path]) -> Facts:
        raise NotImplementedError


class StateLost(_StateFault):
    """The working folder is empty, as when a pod with an ephemeral disk is scheduled anew."""

    name: ClassVar[str] = "state.lost"

    def plan(self) -> Facts:
        """What it does."""
        return {"removes": "every file of the working folder"}

    def _disturb(self, folder: Path, files: list[Path]) -> Facts:
        _empty(folder)
        return {}


class StateCorrupt(_StateFault):
    """The working folder is damaged, always the same way.

    ``truncate`` cuts the largest file to its half, as a crash of the machine may; ``flip`` inverts one byte
    in every 64 of every file, as a failing disk may.
    """

    name: ClassVar[str] = "state.corrupt"

    def __init__(self, damage: Damage = "flip", *, seed: int = 0) -> None:
        super().__init__()
        self._damage: Damage = damage
        self._seed = seed

    def plan(self) -> Facts:
        """The damage and its seed."""
        return {"damage": self._damage, "seed": self._seed}

    def _disturb(self, folder: Path, files: list[Path]) -> Facts:
        if self._damage == "truncate":
            largest = max(files, key=lambda path: (path.stat().st_size, path))
            size = largest.stat().st_size
            with largest.open("r+b") as stream:
                stream.truncate(size // 2)
            return {
                "truncated": str(largest.relative_to(folder)),
                "bytes_before": size,
                "bytes_after": size // 2,
            }
        flipped: dict[str, int] = {}
        for path in files:
            if size := path.stat().st_size:
                name = str(path.relative_to(folder))
                flipped[name] = _flip(path, size, random.Random(f"{self._seed}/{name}"))  # noqa: S311
        told = dict(list(flipped.items())[:_TOLD])
        return {"flipped_files": len(flipped), "flipped_bytes": sum(flipped.values()), "flipped": {**told}}


class StateStale(_StateFault):
    """An older working folder is back, as when a volume is restored from a snapshot."""

    name: ClassVar[str] = "state.stale"

    def __init__(self, copy: StateCopy) -> None:
        super().__init__()
        self._copy = copy

    def plan(self) -> Facts:
        """What is put back."""
        return {"restores_files": self._copy.files, "restores_digest": self._copy.digest}

    def arm(self, arena: Arena) -> None:
        """As the others; also ``NothingToDisturb`` when the folder is still as it was copied."""
        if _files(arena.state_dir) and _digest(arena.state_dir) == self._copy.digest:
            raise NothingToDisturb("the engine's working folder has not changed since it was copied")
        super().arm(arena)

    def _disturb(self, folder: Path, files: list[Path]) -> Facts:
        _empty(folder)
        _copy(self._copy.path, folder)
        return {}

    def witness(self) -> Facts | None:
        """``None`` unless the folder then was what had been copied."""
        seen = super().witness()
        return seen if seen and seen["digest_after"] == self._copy.digest else None


def _files(folder: Path) -> list[Path]:
    """Its regular files, in order; links are not followed, out of the folder least of all."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _digest(folder: Path) -> str:
    """Over every file's name and content."""
    whole = hashlib.sha256()
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).digest()
        whole.update(str(path.relative_to(folder)).encode(errors="surrogateescape") + b"\0" + content)
    return f"sha256:{whole.hexdigest()}"


def _empty(folder: Path) -> None:
    """The folder itself stays: a warm engine may stand in it."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _copy(source: Path, target: Path) -> None:
    """With links as links; sockets and pipes of a process that has gone are left out."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=_no_files)


def _no_files(folder: str, names: list[str]) -> set[str]:
    paths = {name: Path(folder) / name for name in names}
    return {
        name for name, path in paths.items() if not (path.is_symlink() or path.is_file() or path.is_dir())
    }


def _flip(path: Path, size: int, chance: random.Random) -> int:
    """Invert one byte of each block; how many."""
    content = bytearray(path.read_bytes())
    for begin in range(0, size, _BLOCK):
        content[chance.randrange(begin, min(begin + _BLOCK, size))] ^= 0xFF
    path.write_bytes(content)
    return len(range(0, size, _BLOCK))
