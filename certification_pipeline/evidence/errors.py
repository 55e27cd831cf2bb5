"""What can be wrong with a file of evidence, as one message a person can act on."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import StrEnum


class ProblemKind(StrEnum):
    """Why a file could not become evidence."""

    MISSING = "missing"
    """Nothing is there."""
    NOT_RUN = "not_run"
    """Nothing is there, and the plan says why: the cell was not to be run."""
    UNREADABLE = "unreadable"
    """Something is there, but it is not a well-formed artifact of the expected kind."""
    REFUSED = "refused"
    """The system would not let it be written: no space, no permission."""
    UNEXPECTED = "unexpected"
    """A file that nothing in the plan accounts for."""


@dataclass(frozen=True)
class Problem:
    """One defect of one file. ``field`` is a dotted path inside it, or ``None`` for the whole file."""

    kind: ProblemKind
    path: str
    field: str | None
    problem: str
    remedy: str

    def __str__(self) -> str:
        where = f"{self.path}: {self.field}" if self.field else self.path
        return f"{where}: {self.problem}. {self.remedy}"


class EvidenceError(Exception):
    """Evidence could not be read or written; ``str()`` is the whole message for the user."""

    def __init__(
        self,
        path: str,
        field: str | None,
        problem: str,
        remedy: str,
        kind: ProblemKind = ProblemKind.UNREADABLE,
    ) -> None:
        self.path = path
        self.field = field
        self.problem = problem
        self.remedy = remedy
        self.kind = kind
        super().__init__(str(self.as_problem()))

    def as_problem(self) -> Problem:
        """The same as a value, for gates that go on."""
        return Problem(self.kind, self.path, self.field, self.problem, self.remedy)

    @classmethod
    def from_os(cls, path: str, error: OSError, doing: str) -> EvidenceError:
        """Say what the operating system refused, and what usually mends it."""
        code = error.errno or 0
        what = error.strerror or str(error)
        kind = ProblemKind.REFUSED if doing == "write" else ProblemKind.UNREADABLE
        if code == errno.ENOENT:
            kind = ProblemKind.MISSING
        return cls(path, None, f"cannot {doing} it: {what}", _REMEDIES.get(code, _LAST_RESORT), kind)


_LAST_RESORT = "Check the path and its permissions, then try again"
_FREE_SPACE = "The previous file, if any, is untouched; free some space (or raise the quota) and try again"
_REMEDIES = {
    errno.ENOENT: "Produce it first, e.g. with `certify run`",
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "The previous file, if any, is untouched; raise the file size limit (`ulimit -f`)",
    errno.EACCES: "Give this user access to the directory, or choose another one",
    errno.EPERM: "Give this user access to the directory, or choose another one",
    errno.EROFS: "The file system is read-only; choose another directory",
    errno.EEXIST: "A file stands where a directory is needed; move it away",
    errno.ELOOP: "Symbolic links are not followed inside evidence; put the file itself there",
    errno.ENOTDIR: "A file stands where a directory is needed; move it away",
    errno.EISDIR: "A directory stands where a file is needed; move it away",
    errno.ENAMETOOLONG: "Choose a shorter release id",
}
