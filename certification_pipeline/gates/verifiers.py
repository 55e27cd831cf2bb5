"""Who can verify an artifact of a given schema, and what was verified already within one decision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import (
    EvidenceFile,
    Recompute,
    SealedPlan,
    Verification,
    Verifier,
    after_the_decision,
)

Verifiers = Mapping[str, Verifier]
"""By ``schema_version``."""

Resting = Callable[[Verifiers, SubjectDir, EvidenceFile, SealedPlan], Verification]
"""Recomputes an artifact that rests on others, and verifies those through the mapping it is given."""


class _Question(NamedTuple):
    """What a recomputation depends on, besides the files underneath."""

    schema_version: str
    directory: Path
    path: str
    sha256: Digest
    plan_sha256: Digest


class Registry(Mapping[str, Verifier]):
    """All verifiers by ``schema_version``; those of bundles ask this same registry about what they hold."""

    def __init__(
        self,
        single: Mapping[str, Recompute],
        resting: Mapping[str, Resting] = MappingProxyType({}),
        known: dict[_Question, Verification] | None = None,
    ) -> None:
        self._single = dict(single)
        self._resting = dict(resting)
        self._known = known

    def having(self, others: Mapping[str, Recompute]) -> Registry:
        """The same with ``others`` added or in place of its own."""
        resting = {name: verify for name, verify in self._resting.items() if name not in others}
        return Registry({**self._single, **others}, resting, self._known)

    def without(self, names: Collection[str]) -> Registry:
        """The same, knowing nothing of these."""
        single = {name: recompute for name, recompute in self._single.items() if name not in names}
        resting = {name: recompute for name, recompute in self._resting.items() if name not in names}
        return Registry(single, resting, self._known)

    def remembering(self) -> Registry:
        """The same for one decision: a file of the same bytes and plan is recomputed once.

        Sound only while nobody else writes what lies underneath: throw it away with the decision. One that
        remembers already is given back as it is.
        """
        return self if self._known is not None else Registry(self._single, self._resting, {})

    def __getitem__(self, schema_version: str) -> Verifier:
        resting = self._resting.get(schema_version)
        recompute: Recompute = partial(resting, self) if resting is not None else self._single[schema_version]
        if self._known is not None:
            recompute = _once(schema_version, recompute, self._known)
        return partial(_as_of, recompute)

    def __iter__(self) -> Iterator[str]:
        yield from self._single
        yield from self._resting

    def __len__(self) -> int:
        return len(self._single) + len(self._resting)


def remembering(verifiers: Verifiers) -> Verifiers:
    """:meth:`Registry.remembering`; what is not a registry is given back as it is."""
    return verifiers.remembering() if isinstance(verifiers, Registry) else verifiers


def _as_of(
    recompute: Recompute, directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan, decided: Provenance
) -> Verification:
    """What was recomputed, for a decision of that time."""
    found = recompute(directory, file, sealed)
    late = tuple(after_the_decision(found.made_at, decided)) if found.made_at else ()
    return replace(found, problems=(*late, *found.problems)) if late else found


def _once(schema_version: str, recompute: Recompute, known: dict[_Question, Verification]) -> Recompute:
    """The same that looks first whether it was asked before."""

    def look(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
        asked = _Question(schema_version, directory.path, file.path, sha256(file.data), sealed.sha256)
        if asked not in known:
            known[asked] = recompute(directory, file, sealed)
        return known[asked]

    return look
