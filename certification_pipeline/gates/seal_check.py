"""Is what was signed what the files say now, all of it, and by whom? The counterpart of ``gates/seal.py``.

Needs the evidence and, to say anything about an author, public keys. Every statement is recomputed from the
files and looked for among the lines; a line that no file accounts for is as red as one that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.errors import EvidenceError, Problem, ProblemKind
from certification_pipeline.evidence.seal.dsse import verified_by
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.seal.lines import Line, Place, parse_line, raw_lines
from certification_pipeline.evidence.seal.statement import statement_name
from certification_pipeline.evidence.seal.vsa import Decided
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.attested import Attested, evidence_statements
from certification_pipeline.gates.attested_decisions import decision_statements
from certification_pipeline.gates.attested_pages import ReleaseDir, page_statements
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import disagreements
from certification_pipeline.gates.verifiers import Verifiers

MOST_TOLD = 1000
"""Statements that are told one by one; of more, how many."""

_SHOWN = 5
_MOST_KINDS = 20
_AGAIN = "Restore it from a copy; if the change is meant, decide again: certify release-summary"
WHOSE = "Give the key of who made the release (--key), or do not trust it"
"""The remedy of every problem with a signature, and of no other."""


def check_seal(
    directory: SubjectDir, keys: Collection[PublicKey] = (), *, verifiers: Verifiers = VERIFIERS
) -> tuple[Problem, ...]:
    """What is wrong with ``attestations.intoto.jsonl``; nothing: every statement is there, and is true.

    With ``keys``, each must be signed by one of them. Without any, signatures are not looked at, and
    the file proves no author.
    """
    return _check(directory, layout.ATTESTATIONS, lambda: evidence_statements(directory, verifiers), keys)


def check_decisions(
    directory: SubjectDir, keys: Collection[PublicKey] = (), *, levels: Iterable[Decided] = ()
) -> tuple[Problem, ...]:
    """The same for ``decisions.intoto.jsonl``: suite, release, ``levels``, and the files beside them.

    Compares with what the decisions on disk say; whether those are right, their own gates recompute.
    """
    return _check(directory, layout.DECISIONS, lambda: decision_statements(directory, levels), keys)


def check_pages(release: ReleaseDir, keys: Collection[PublicKey] = ()) -> tuple[Problem, ...]:
    """The same for ``pages.intoto.jsonl``: what lies beside the engines of a release, for people."""
    if not release.pages() and not (release.path / layout.PAGES).is_symlink():
        there = (release.path / layout.PAGES).exists()
        return (_of_nothing(layout.PAGES),) if there else ()
    return _check(release, layout.PAGES, lambda: page_statements(release), keys)


def _of_nothing(path: str) -> Problem:
    return Problem(ProblemKind.UNEXPECTED, path, None, "attests pages, and there is none", _AGAIN)


def _check(
    directory: Place, path: str, recomputed: Callable[[], Iterator[Attested]], keys: Collection[PublicKey]
) -> tuple[Problem, ...]:
    try:
        found = _Lines.read(directory, path, keys)
        absent, order = found.match(recomputed())
        told = (*_surplus(directory, path, found, absent), *_missing(path, absent))
    except EvidenceError as error:
        return (error.as_problem(),)
    problems = (*found.problems(path, bool(keys)), *told[:MOST_TOLD])
    if len(told) > MOST_TOLD:
        more = f"{len(told) - MOST_TOLD} more statements differ"
        problems += (Problem(ProblemKind.UNREADABLE, path, None, more, _AGAIN),)
    if not problems and order != sorted(order):
        problems = (
            Problem(ProblemKind.UNREADABLE, path, None, "its lines were put in another order", _AGAIN),
        )
    return problems


@dataclass
class _Lines:
    """What the lines of one file are, by the digest of their statement."""

    numbers: dict[Digest, int] = field(default_factory=dict)
    wrong: dict[str, list[int]] = field(default_factory=dict)
    """What is wrong with lines as such, and the first of those it is wrong with."""
    count: dict[str, int] = field(default_factory=dict)
    total: int = 0

    @classmethod
    def read(cls, directory: Place, path: str, keys: Collection[PublicKey]) -> _Lines:
        lines = cls()
        for number, data in enumerate(raw_lines(directory, path), start=1):
            lines.total = number
            line = parse_line(data) if data.endswith(b"\n") else None
            if line is None:
                lines._tell(_MISSPELLED, number)
                continue
            digest = sha256(line.statement)
            if digest in lines.numbers:
                lines._tell(_TWICE, number)
            lines.numbers.setdefault(digest, number)
            if keys and (problem := _unsigned(line, keys)):
                lines._tell(problem, number)
        return lines

    def match(self, expected: Iterator[Attested]) -> tuple[dict[str, bytes], list[int]]:
        """Take out the lines that say what is expected: the statements without one, and the order found."""
        absent: dict[str, bytes] = {}
        order: list[int] = []
        for name, statement in expected:
            number = self.numbers.pop(sha256(statement), None)
            if number is None:
                absent[name] = statement
            else:
                order.append(number)
        return absent, order

    def problems(self, path: str, asked: bool) -> Iterator[Problem]:
        if not self.total:
            yield Problem(ProblemKind.MISSING, path, None, "is empty: nothing is attested", _AGAIN)
        for what, numbers in self.wrong.items():
            many = self.count[what]
            shown = ", ".join(map(str, numbers)) + (
                f" and {many - len(numbers)} more" if many > len(numbers) else ""
            )
            where = f"line {shown}" if many == 1 else f"lines {shown}"
            if many == self.total and asked:
                where = f"all {many} lines"
            remedy = _AGAIN if what in {_MISSPELLED, _TWICE} else WHOSE
            yield Problem(ProblemKind.UNREADABLE, path, where, what, remedy)

    def _tell(self, what: str, number: int) -> None:
        if what not in self.wrong and len(self.wrong) >= _MOST_KINDS:
            what = "is signed by yet another key that is none of those given"
        self.count[what] = self.count.get(what, 0) + 1
        if len(listed := self.wrong.setdefault(what, [])) < _SHOWN:
            listed.append(number)


_MISSPELLED = "no envelope as it was written: edited, torn, or not ours"
_TWICE = "says what an earlier line says"


def _unsigned(line: Line, keys: Collection[PublicKey]) -> str | None:
    if verified_by(line, keys):
        return None
    if not line.signatures:
        return "is not signed: it proves no author"
    named = {each.key_id for each in line.signatures}
    if mine := named & {key.key_id for key in keys}:
        return f"its signature by key {min(mine)[:12]} does not verify: statement or signature was changed"
    return f"is signed by key {min(named)[:12]}, which is none of those given"


def _surplus(directory: Place, path: str, found: _Lines, absent: dict[str, bytes]) -> Iterator[Problem]:
    """Lines that say something else than the files; one about an absent statement takes it out."""
    wanted = set(found.numbers.values())
    for number, data in enumerate(raw_lines(directory, path) if wanted else (), start=1):
        if number not in wanted or (line := parse_line(data)) is None:
            continue
        where = f"line {number}"
        try:
            says = parse_value(line.statement, f"{path}: {where}")
        except EvidenceError as error:
            yield Problem(ProblemKind.UNREADABLE, path, where, f"its statement {error.problem}", _AGAIN)
            continue
        name = statement_name(says)
        is_ = absent.pop(name, None) if name is not None else None
        if is_ is None:
            problem = f"attests {name or 'something else'}, which nothing in the release accounts for"
            yield Problem(ProblemKind.UNEXPECTED, path, where, problem, _AGAIN)
            continue
        differing = disagreements(says, parse_value(is_, path)) or ("it is spelled in another way",)
        yield Problem(ProblemKind.UNREADABLE, path, f"{where} ({name})", "; ".join(differing), _AGAIN)


def _missing(path: str, absent: dict[str, bytes]) -> Iterator[Problem]:
    for name in absent:
        yield Problem(ProblemKind.MISSING, path, name, "no line attests it", _AGAIN)
