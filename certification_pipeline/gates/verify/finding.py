"""One thing that speaks against evidence: which file, which field, what it says and what it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Literal

from pydantic import Field

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.errors import EvidenceError, Problem, ProblemKind
from certification_pipeline.gates.chain_links import ChainProblem

_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_.\[\]-]{0,200}): (.+)", re.DOTALL)
_RESTORE = "Get the evidence again from where it was made; what is meant to be new is run and decided again"
_REPORT = "This is a defect of certify: report it, with the evidence if you can"


class Kind(StrEnum):
    """What was found. The first five are what somebody did to a file."""

    EDITED = "edited"
    DELETED = "deleted"
    ADDED = "added"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    UNANCHORED = "unanchored"
    """The chain is not the one an outside copy of its hash was taken from."""
    FORGED = "forged"
    """It is as it was chained, and does not follow from what lies underneath."""
    UNSIGNED = "unsigned"
    """A key was given, and nothing that this key signed vouches for it."""
    UNVOUCHED = "unvouched"
    """Nothing in the evidence vouches for it: true or not, nobody can tell."""
    OTHER_JUDGE = "other_judge"
    """It was judged by another version than the one installed here."""
    PART = "part"
    """It is what it says, and that is only a part of a certification."""
    UNDECIDED = "undecided"
    """The verifier itself could not cope: nothing is known."""


class Finding(Model):
    """``outcome`` failed: it was tampered with. ``cantTell``: it cannot be verified here, or not wholly."""

    kind: Kind
    path: str = Field(description="relative to the directory that was verified")
    field: str | None = None
    message: str = Field(description="what it says and what it is, as far as that can be known")
    remedy: str = _RESTORE
    outcome: Literal[Outcome.FAILED, Outcome.CANT_TELL] = Outcome.FAILED

    def __str__(self) -> str:
        where = f"{self.path}: {self.field}" if self.field else self.path
        return f"{where} ({self.kind.value.replace('_', ' ')}): {self.message}"


def of_chain(problem: ChainProblem) -> Finding:
    """A problem of a chain, as a finding."""
    field, message = split_field(problem.message)
    return Finding(kind=Kind(problem.kind.value), path=problem.path, field=field, message=message)


def of_error(error: EvidenceError | Problem, path: str, kind: Kind = Kind.EDITED) -> Finding:
    """Evidence that could not be read. What the system refuses to show is not tampering: nobody can tell."""
    if error.kind is ProblemKind.MISSING:
        return Finding(kind=Kind.DELETED, path=path, message="it is not there")
    if "ermission denied" in error.problem or "Input/output error" in error.problem:
        return Finding(
            kind=Kind.UNDECIDED,
            path=path,
            message=error.problem,
            remedy=error.remedy,
            outcome=Outcome.CANT_TELL,
        )
    return Finding(kind=kind, path=path, field=error.field, message=error.problem)


def split_field(message: str) -> tuple[str | None, str]:
    """``items[0].outcome: says 'passed', is 'failed'`` as field and the rest."""
    match = _FIELD.fullmatch(message)
    if match is None or " " in match[1]:
        return None, message
    return match[1], match[2]


def disagreeing(path: str, problems: Iterable[str], kind: Kind = Kind.FORGED) -> Iterator[Finding]:
    """One finding for each place where a file and its recomputation disagree."""
    for problem in problems:
        field, message = split_field(problem)
        yield Finding(kind=kind, path=path, field=field, message=message)


def guarded(path: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What ``look`` finds. That it breaks is a finding too, and never a pass (law 4)."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except EvidenceError as error:
        found.append(of_error(error, path))
    except Exception as error:
        told = f"the verifier stopped here: {type(error).__name__}: {str(error)[:200]}"
        found.append(
            Finding(kind=Kind.UNDECIDED, path=path, message=told, remedy=_REPORT, outcome=Outcome.CANT_TELL)
        )
    return found
