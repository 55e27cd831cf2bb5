"""One item of the suite: found or missing, verified or not, and the blockers that follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.decision import evidence_status
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import IdentityStatus, ItemName, SuiteItem
from certification_pipeline.gates.families import FAMILIES
from certification_pipeline.gates.verification import EvidenceFile, SealedPlan, Verification, Verifier


class Evaluated(NamedTuple):
    """An item and why it is not green."""

    item: SuiteItem
    blockers: tuple[Blocker, ...]
    because: tuple[Blocker, ...] = ()


class _Slot(NamedTuple):
    """An item before judgement: its file is ``None`` until it was read."""

    name: ItemName
    path: str
    required: bool
    file: EvidenceFile | None


@dataclass(frozen=True)
class ItemGate:
    """Judges the items of one suite: same directory, plan, time and verifiers for all."""

    directory: SubjectDir
    sealed: SealedPlan | None
    decided: Provenance
    verifiers: Mapping[str, Verifier]

    def evaluate(self, name: ItemName, path: str, *, required: bool) -> Evaluated:
        """Read the item's file once and judge it. Never raises for what the file holds."""
        slot = _Slot(name, path, required, None)
        try:
            file = EvidenceFile(path, self.directory.read_bytes(path))
            slot = slot._replace(file=file)
            return self._judged(slot, file, self._verify(name, file))
        except EvidenceError as error:
            if error.kind is ProblemKind.MISSING and slot.file is None:
                return self._missing(slot)
            return self._refused(slot, error)

    def _verify(self, name: ItemName, file: EvidenceFile) -> Verification:
        verifier = self.verifiers.get(FAMILIES[name].schema_version)
        if verifier is None:
            return self._claim(name, file)
        if self.sealed is None:
            remedy = "Restore the plan this evidence was made under, or run again"
            raise EvidenceError(file.path, None, "there is no plan to check it against", remedy)
        return verifier(self.directory, file, self.sealed, self.decided)

    def _claim(self, name: ItemName, file: EvidenceFile) -> Verification:
        """What an artifact without a verifier says; only the bad news in it counts."""
        value = parse_value(file.data, file.path)
        if not isinstance(value, dict):
            raise EvidenceError(file.path, None, "is not a JSON object", "Produce it again")
        expected: dict[str, str] = {
            "schema_version": FAMILIES[name].schema_version,
            "release_id": self.directory.release_id,
        }
        for field, wanted in expected.items():
            if value.get(field) != wanted:
                problem = f"is {value.get(field)!r}, expected {wanted!r}"
                raise EvidenceError(file.path, field, problem, "Produce it for this release with certify")
        admits_red = value.get("passed") is not True or bool(value.get("blockers"))
        unverifiable = "this version of certify has no verifier for it: what it says of itself proves nothing"
        return Verification(
            outcome=Outcome.FAILED if admits_red else Outcome.UNTESTED,
            release_id=self.directory.release_id,
            problems=(unverifiable, *self._claim_is_stale(value.get("created_at"))),
        )

    def _claim_is_stale(self, created_at: JsonValue) -> tuple[str, ...]:
        try:
            made = datetime.fromisoformat(created_at) if isinstance(created_at, str) else None
        except ValueError:
            made = None
        if made is None or made.tzinfo is None:
            return ("created_at is no time with a zone",)
        if self.sealed is not None and made < self.sealed.plan.created_at:
            return ("was made before the plan was sealed",)
        return ()

    def _missing(self, slot: _Slot) -> Evaluated:
        item = self._item(slot, Outcome.UNTESTED, "missing", None)
        message = f"{slot.path} is required and is not there"
        return Evaluated(item, (self._blocker(slot.name, "missing", message),) if slot.required else ())

    def _refused(self, slot: _Slot, error: EvidenceError) -> Evaluated:
        mismatch = error.field == "release_id"
        status: IdentityStatus = "release_id_mismatch" if mismatch else "not_verified"
        item = self._item(slot, Outcome.FAILED, status, None)
        return Evaluated(item, (self._blocker(slot.name, status, str(error)),))

    def _judged(self, slot: _Slot, file: EvidenceFile, found: Verification) -> Evaluated:
        known = FAMILIES[slot.name].schema_version in self.verifiers
        # Disagreeing with what lies underneath is red, whatever was recomputed.
        outcome = Outcome.FAILED if known and found.problems else found.outcome
        item = self._item(slot, outcome, "not_verified" if found.problems else "verified", found)
        blockers = []
        if found.problems:
            message = f"{file.path}: {'; '.join(found.problems)}"
            blockers.append(self._blocker(slot.name, "not_verified", message))
        if found.outcome is Outcome.FAILED or (known and found.outcome is not Outcome.PASSED):
            blockers.append(self._not_passed(slot.name, found))
        return Evaluated(item, tuple(blockers), found.because)

    def _not_passed(self, name: ItemName, found: Verification) -> Blocker:
        if not found.because:
            return self._blocker(name, "not_passed", f"its outcome is {found.outcome.value}")
        first = found.because[0]
        more = f" (and {len(found.because) - 1} more)" if len(found.because) > 1 else ""
        message = f"its outcome is {found.outcome.value}: {first.code}: {first.message}{more}"
        return Blocker(code=f"{name.value}.not_passed", message=message, next_step=first.next_step)

    def _blocker(self, name: ItemName, word: str, message: str) -> Blocker:
        family = FAMILIES[name]
        again = decide_again(
            family.command, self.directory.engine, self.directory.release_id, *family.arguments
        )
        return Blocker(code=f"{name.value}.{word}", message=message, next_step=again)

    def _item(
        self, slot: _Slot, outcome: Outcome, status: IdentityStatus, found: Verification | None
    ) -> SuiteItem:
        return SuiteItem(
            name=slot.name,
            path=slot.path,
            sha256=sha256(slot.file.data) if slot.file else None,
            required=slot.required,
            missing=status == "missing",
            outcome=outcome,
            passed=outcome is Outcome.PASSED,
            evidence_status=evidence_status(outcome),
            release_id=found.release_id if found else None,
            identity_status=status,
            summary=found.summary if found else {},
        )
