"""What every examiner gets: the folder, and what the files named in an artifact turn out to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.claims import ForeignArtifact, ForeignClaim
from certification_pipeline.evidence.foreign.dpone.models import ZERO, Dpone
from certification_pipeline.evidence.foreign.folder import Folder
from certification_pipeline.gates.foreign.claiming import (
    agrees,
    contradicts,
    not_here,
    nothing,
    unproven,
)

RED = "claims no pass"


@dataclass(frozen=True, slots=True)
class Examined:
    """A file of the folder. ``says``: its verdict, or what follows from it where dpone writes none."""

    artifact: ForeignArtifact
    model: Dpone | None
    says: bool | None


class Look(Protocol):
    """One directory under examination."""

    folder: Folder

    def examined(self, path: str) -> Examined | None:
        """What became of that file; ``None``: none of dpone's artifacts, or it names the one that asks."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A file that an artifact names, in words common to bundles, suites, registries and indexes."""

    claim: str
    path: str
    sha256: str | None
    by: str

    def claims(self, look: Look, passed: bool | None) -> Iterator[ForeignClaim]:
        """Of its digest, and of the verdict stated for it."""
        if self.sha256 in (None, ZERO):
            yield self._absent(look, passed)
            return
        found = self.content(look)
        yield self._digest(look, found)
        if passed is not None:
            yield self.verdict(look, passed, found)

    def content(self, look: Look) -> str | None:
        """Where the file with the stated digest lies."""
        named = look.folder.named(self.path, self.by)
        if named is not None and look.folder.digest(named.path) == self.sha256:
            return named.path
        return look.folder.holding(self.sha256 or "")

    def _digest(self, look: Look, found: str | None) -> ForeignClaim:
        claim = f"{self.claim}.sha256"
        named = look.folder.named(self.path, self.by)
        if named is not None and found != named.path:
            digest = look.folder.digest(named.path)
            if named.sure:
                why = f"{named.path} was changed after it was named"
                return contradicts(claim, self.sha256, digest, why)
            if found is None:
                why = f"{named.path} has another digest, and may not be the file that was meant"
                return not_here(claim, self.sha256, why)
        if found is None:
            return not_here(claim, self.sha256, f"{self.path!r} is not in the folder")
        return agrees(claim, self.sha256, f"of {found}")

    def _absent(self, look: Look, passed: bool | None) -> ForeignClaim:
        claim = f"{self.claim}.sha256"
        if passed:
            return contradicts(claim, self.sha256, None, "passed, though no file was there to have a digest")
        return nothing(claim, self.sha256, "it says itself that the file was not there")

    def verdict(self, look: Look, passed: bool, found: str | None) -> ForeignClaim:
        """Whether the file bears out what is said of it."""
        claim = f"{self.claim}.passed"
        there = look.examined(found) if found is not None else None
        if not passed:
            agreeing = there is not None and there.says is False
            return agrees(claim, passed, f"{found} says so") if agreeing else nothing(claim, passed, RED)
        if found is None:
            return not_here(claim, passed, f"what was meant by {self.path!r} is not in the folder")
        if there is None:
            return unproven(claim, passed, f"{found} holds no verdict that could be recomputed here")
        return _borne_out(claim, there)


def _borne_out(claim: str, there: Examined) -> ForeignClaim:
    """Whether the file that is said to have passed has."""
    path = there.artifact.path
    if there.says is False:
        return contradicts(claim, True, False, f"{path} does not say so")
    if there.artifact.outcome is Outcome.FAILED:
        return contradicts(claim, True, False, f"{path} contradicts what lies under it, or itself")
    if there.says is None:
        return unproven(claim, True, f"{path} holds no verdict")
    return unproven(claim, True, f"{path} says so, and what it rests on cannot be recomputed")


def surplus(model: Dpone) -> Iterator[ForeignClaim]:
    """Fields nobody was seen to write: told, and worth nothing."""
    if model.surplus:
        why = "dpone 0.88 does not write them: typed by hand, or by another version"
        yield unproven("fields", ", ".join(model.surplus), why)
