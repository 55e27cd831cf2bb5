"""What every evidence family beside the matrix is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.harness.shop import Workshop


@dataclass(frozen=True)
class Work:
    """One family's work on one subject of one release."""

    plan: CertificationPlan
    store: EvidenceStore
    shop: Workshop
    run_id: str

    @property
    def directory(self) -> SubjectDir:
        """Where the subject's evidence lies."""
        return self.store.release(self.plan.release_id, self.plan.subject.engine)

    @property
    def engine(self) -> str:
        """The subject's engine."""
        return self.plan.subject.engine


class Producer(NamedTuple):
    """How a family's artifact is made."""

    systems: Callable[[CertificationPlan], Collection[str]]
    """The systems whose services must be up. None: the work needs files only."""
    produce: Callable[[Work], Decision]
    """Does the work, writes the artifact (JSON and Markdown) and returns it as written.

    Red and inconclusive are artifacts, not exceptions. Raises ``EvidenceError`` when evidence cannot be read
    or written; anything else it raises is a defect of ours and leaves the artifact missing.
    """
