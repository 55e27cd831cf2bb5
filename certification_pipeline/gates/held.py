"""One artifact of a bundle: is it there, is it what it says, did it pass? Judged once for both bundles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypedDict

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Digest
from certification_pipeline.evidence.bundle import BundleCounts, BundleItem
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.decision import EvidenceStatus, evidence_status
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.next_step import decide_again, make_family
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import EvidenceFile, SealedPlan, Verification
from certification_pipeline.gates.verifiers import Verifiers


@dataclass(frozen=True)
class Wanted:
    """An artifact a bundle looks for. ``kind`` heads its blockers, ``again`` makes it."""

    kind: str
    path: str
    schema_version: str
    required: bool
    again: str
    vouched_by: str | None = None
    """An artifact whose verifier checks this one by digest, when it has no verifier of its own."""


@dataclass(frozen=True)
class Held:
    """What was found; ``blockers`` say why it is not green."""

    wanted: Wanted
    outcome: Outcome
    sha256: Digest | None = None
    summary: dict[str, JsonValue] = field(default_factory=dict)
    blockers: tuple[Blocker, ...] = ()

    @property
    def present(self) -> bool:
        """Something lies there."""
        return self.sha256 is not None

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return PurePosixPath(self.wanted.path).stem

    def fields(self) -> ItemFields:
        """As an item of a bundle."""
        return ItemFields(
            path=self.wanted.path,
            required=self.wanted.required,
            present=self.present,
            outcome=self.outcome,
            passed=self.outcome is Outcome.PASSED,
            evidence_status=evidence_status(self.outcome),
            sha256=self.sha256,
            summary=self.summary,
        )

    @property
    def counts(self) -> bool:
        """What is required or present decides; what is neither is only shown."""
        return self.wanted.required or self.present


class ItemFields(TypedDict):
    """What an item of either bundle says of its artifact, but for its name."""

    path: str
    required: bool
    present: bool
    outcome: Outcome
    passed: bool
    evidence_status: EvidenceStatus
    sha256: Digest | None
    summary: dict[str, JsonValue]


@dataclass(frozen=True)
class Holder:
    """Judges what bundles hold: same directory, plan, time and verifiers for all."""

    directory: SubjectDir
    sealed: SealedPlan
    decided: Provenance
    verifiers: Verifiers

    def hold(self, wanted: Wanted) -> Held:
        """Read the file once and verify it. Never raises for what the file holds."""
        digest: Digest | None = None
        try:
            file = EvidenceFile(wanted.path, self.directory.read_bytes(wanted.path))
            digest = sha256(file.data)
            verifier = self.verifiers.get(wanted.schema_version)
            if verifier is not None:
                found = verifier(self.directory, file, self.sealed, self.decided)
            elif wanted.vouched_by is not None:
                found = self._vouched(digest, wanted.vouched_by)
            else:
                told = "this version of certify has no verifier for it: what it says of itself proves nothing"
                unverified = self._blocker(wanted, "not_verified", told)
                return Held(wanted, Outcome.UNTESTED, digest, {}, (unverified,))
            return self._judged(wanted, digest, found)
        except EvidenceError as error:
            if error.kind is ProblemKind.MISSING and digest is None:
                told = f"{wanted.path} is required and is not there"
                missing = (self._blocker(wanted, "missing", told),) if wanted.required else ()
                return Held(wanted, Outcome.UNTESTED, None, {}, missing)
            refused = (self._blocker(wanted, "not_verified", str(error)),)
            return Held(wanted, Outcome.FAILED, digest, {}, refused)

    def _vouched(self, digest: Digest, by: str) -> Verification:
        """As good as the artifact that names it by digest."""
        witness = EvidenceFile(by, self.directory.read_bytes(by))
        verifier = self.verifiers.get(layout.schema_name(by))
        if verifier is None or digest.encode() not in witness.data:
            problem = "no artifact that can be verified names its digest"
            return Verification(Outcome.UNTESTED, self.directory.release_id, (problem,))
        found = verifier(self.directory, witness, self.sealed, self.decided)
        return Verification(found.outcome, found.release_id, found.problems, found.because)

    def _judged(self, wanted: Wanted, digest: Digest, found: Verification) -> Held:
        blockers = []
        if found.problems:
            told = f"{wanted.path}: {'; '.join(found.problems)}"
            blockers.append(self._blocker(wanted, "not_verified", told))
        if found.outcome is not Outcome.PASSED:
            blockers.append(self._not_passed(wanted, found))
        outcome = Outcome.FAILED if found.problems else found.outcome
        return Held(wanted, outcome, digest, found.summary, tuple(blockers))

    def _not_passed(self, wanted: Wanted, found: Verification) -> Blocker:
        told = f"its outcome is {found.outcome.value}"
        if not found.because:
            return self._blocker(wanted, "not_passed", told)
        first = found.because[0]
        more = f" (and {len(found.because) - 1} more)" if len(found.because) > 1 else ""
        message = f"{told}: {first.code}: {first.message}{more}"
        return Blocker(
            code=f"{wanted.kind}.not_passed:{wanted.path}", message=message, next_step=first.next_step
        )

    @staticmethod
    def _blocker(wanted: Wanted, word: str, message: str) -> Blocker:
        code = f"{wanted.kind}.{word}:{wanted.path}"
        return Blocker(code=code, message=message, next_step=wanted.again)


def made_by(family: Family, sealed: SealedPlan, bundle: str) -> str:
    """The command that mends this family's artifact; ``bundle`` is the command of who looks for it.

    A report follows from the cells by deciding again; what the plan does not hold need not be asked for.
    """
    engine, release_id = sealed.plan.subject.engine, sealed.plan.release_id
    if family in sealed.plan.families:
        return make_family(family, engine, release_id)
    return decide_again("release-summary" if family is Family.MATRIX else bundle, engine, release_id)


def overall(held: Iterable[Held], blockers: Iterable[Blocker]) -> Outcome:
    """Worst over what counts: what is required and missing is red, present and proving nothing is not green.

    ``blockers`` are those of no item; any of them is red.
    """
    outcomes = [_contribution(each) for each in held if each.counts]
    return Outcome.worst([*outcomes, *(Outcome.FAILED for _ in blockers)])


def counts(items: Iterable[BundleItem]) -> BundleCounts:
    """The figures of a bundle's head."""
    listed = tuple(items)
    present = [item for item in listed if item.present]
    passed = sum(item.passed for item in present)
    return BundleCounts(
        total_items=len(listed),
        present_items=len(present),
        passed_items=passed,
        missing_items=len(listed) - len(present),
        failed_items=len(present) - passed,
    )


def _contribution(held: Held) -> Outcome:
    if not held.present:
        return Outcome.FAILED
    return Outcome.UNTESTED if held.outcome is Outcome.INAPPLICABLE else held.outcome
