"""All evidence under one root: which releases and engines there are, and which release is newest.

What is inside one subject's directory is :mod:`certification_pipeline.evidence.subject_dir`'s matter.
"""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError, Problem, ProblemKind
from certification_pipeline.evidence.files import read_no_follow, safe_segment, write_atomically
from certification_pipeline.evidence.subject_dir import CellFile, SubjectDir

__all__ = ["CellFile", "EvidenceError", "EvidenceStore", "Problem", "ProblemKind", "SubjectDir"]


class EvidenceStore:
    """All releases under one root, by default ``.certification/``."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # a later chdir must not move the evidence

    @classmethod
    def holding(cls, directory: SubjectDir) -> EvidenceStore:
        """The store a subject's directory lies in: ``<root>/releases/<release_id>/<engine>``."""
        return cls(directory.path.parents[2])

    def release(self, release_id: str, engine: str) -> SubjectDir:
        """The directory of one engine's evidence in one release; it need not exist yet."""
        safe_segment(release_id, "release id")
        safe_segment(engine, "engine name")
        path = self.release_path(release_id) / engine
        for directory in (self.root / layout.RELEASES, path.parent, path):
            if directory.is_symlink():
                raise EvidenceError(
                    str(directory),
                    None,
                    "is a symbolic link",
                    "Put the directory itself there, or change --root",
                )
        return SubjectDir(path, release_id, engine)

    def release_path(self, release_id: str) -> Path:
        """The directory that holds a release's engines and its ``report.html``."""
        return self.root / layout.RELEASES / safe_segment(release_id, "release id")

    def engines(self, release_id: str) -> tuple[str, ...]:
        """Engines with evidence in that release, sorted."""
        return _directories(self.release_path(release_id))

    def releases(self) -> tuple[str, ...]:
        """Release ids that are there, sorted by name."""
        return _directories(self.root / layout.RELEASES)

    def latest(self) -> str | None:
        """The release :meth:`set_latest` named last, or ``None`` when there is none."""
        path = self.root / layout.LATEST
        try:
            text = read_no_follow(path, str(path), 1024).decode()
        except EvidenceError as error:
            if error.kind is ProblemKind.MISSING:
                return None
            raise
        except UnicodeDecodeError:
            text = "\0"
        try:
            return safe_segment(text.removesuffix("\n"), "release id")
        except EvidenceError:
            remedy = "Remove the file; the next `certify run` writes it anew"
            raise EvidenceError(str(path), None, "names no release", remedy) from None

    def set_latest(self, release_id: str) -> None:
        """Point ``latest`` at a release, atomically."""
        write_atomically(self.root / layout.LATEST, f"{safe_segment(release_id, 'release id')}\n".encode())


def _directories(path: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(e.name for e in path.iterdir() if e.is_dir() and not e.name.startswith(".")))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise EvidenceError.from_os(str(path), error, "list") from None
