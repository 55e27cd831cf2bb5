"""Who can verify an artifact of a given schema, and what was verified already within one decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import EvidenceFile, SealedPlan, Verification, Verifier

Verifiers = Mapping[str, Verifier]
"""By ``schema_version``."""

Resting = Callable[[Verifiers, SubjectDir, EvidenceFile, SealedPlan, Provenance], Verification]
"""Verifies an artifact that rests on others, and those through the mapping it is given."""


class _Question(NamedTuple):
    """What a verification depends on, besides the files underneath."""

    schema_version: str
    directory: Path
    path: str
    sha256: Digest
    plan_sha256: Digest
    decided_at: datetime


class Registry(Mapping[str, Verifier]):
    """All verifiers by ``schema_version``; those of bundles ask this same registry about what they hold."""

    def __init__(
        self,
        single: Verifiers,
        resting: Mapping[str, Resting] = MappingProxyType({}),
        known: dict[_Question, Verification] | None = None,
    ) -> None:
        self._single = dict(single)
        self._resting = dict(resting)
        self._known = known

    def having(self, others: Verifiers) -> Registry:
        """The same with ``others`` added or in place of its own."""
        resting = {name: verify for name, verify in self._resting.items() if name not in others}
        return Registry({**self._single, **others}, resting, self._known)

    def remembering(self) -> Registry:
        """The same for one decision: a file of the same bytes, plan and time is verified once.

        Sound only while nobody else writes what lies underneath: throw it away with the decision.
        """
        return Registry(self._single, self._resting, {})

    def __getitem__(self, schema_version: str) -> Verifier:
        resting = self._resting.get(schema_version)
        verify: Verifier = partial(resting, self) if resting is not None else self._single[schema_version]
        return verify if self._known is None else _once(schema_version, verify, self._known)

    def __iter__(self) -> Iterator[str]:
        yield from self._single
        yield from self._resting

    def __len__(self) -> int:
        return len(self._single) + len(self._resting)


def _once(schema_version: str, verify: Verifier, known: dict[_Question, Verification]) -> Verifier:
    """A verifier that looks first whether the same was asked before."""

    def look(
        directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan, decided: Provenance
    ) -> Verification:
        digest, plan = sha256(file.data), sealed.sha256
        asked = _Question(schema_version, directory.path, file.path, digest, plan, decided.created_at)
        if asked not in known:
            known[asked] = verify(directory, file, sealed, decided)
        return known[asked]

    return look
