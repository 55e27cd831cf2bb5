"""``comparison.json`` beside a release: how fast its engines move the same rows, against raw COPY.

Facts about one machine on one day, no gate: a slow engine may be right. Ratios are computed here from the
turns, never stored.
"""

from __future__ import annotations

from statistics import median
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import AwareDatetime, Field

from certification_pipeline.evidence.artifact import Environment, Model, Producer, Subject
from certification_pipeline.evidence.benchmark_samples import Count, Seconds
from certification_pipeline.evidence.hardware import Hardware

MIN_TURNS = 3
"""Fewer say nothing about spread."""


class Turn(Model):
    """One measured load in a fresh, warmed-up process, and raw COPY of the same table right after it."""

    wall_seconds: Seconds
    cpu_seconds: Seconds | None = Field(description="of the engine's processes and the database server")
    peak_memory_bytes: Count | None = Field(
        description="of the whole process tree, shared pages counted once"
    )
    raw_wall_seconds: Seconds
    raw_cpu_seconds: Seconds | None


class Spread(NamedTuple):
    """Of the turns' figures."""

    median: float
    low: float
    high: float


class ComparedSubject(Model):
    """One engine. ``problem`` says why it has no figures: the fastest load is the one that loads nothing.

    Rows that all arrived, with some values wrong, were moved: their figures stand, with a ``remark``.
    """

    subject: Subject
    route_id: str | None
    raw_path: str | None = Field(None, description="what raw COPY did, in words")
    turns: tuple[Turn, ...] = ()
    problem: str | None = None
    remark: str | None = Field(None, description="what is wrong with values of rows that all arrived")

    @property
    def wall(self) -> Spread | None:
        """Wall time, as a multiple of raw COPY's in the same turn."""
        return self._spread([turn.wall_seconds / turn.raw_wall_seconds for turn in self.turns])

    @property
    def cpu(self) -> Spread | None:
        """CPU time, as a multiple of raw COPY's in the same turn."""
        return self._spread(
            [
                turn.cpu_seconds / turn.raw_cpu_seconds
                for turn in self.turns
                if turn.cpu_seconds is not None and turn.raw_cpu_seconds
            ]
        )

    @property
    def memory(self) -> Spread | None:
        """Peak bytes of the process tree."""
        return self._spread(
            [float(t.peak_memory_bytes) for t in self.turns if t.peak_memory_bytes is not None]
        )

    def _spread(self, figures: list[float]) -> Spread | None:
        if self.problem is not None or len(figures) < MIN_TURNS:
            return None
        return Spread(median(figures), min(figures), max(figures))


class EngineComparison(Model):
    """See the module docstring."""

    KIND: ClassVar[str] = "comparison"

    schema_version: Literal["certification_pipeline.comparison.v1"] = "certification_pipeline.comparison.v1"
    release_id: str
    run_id: str
    created_at: AwareDatetime
    producer: Producer
    environment: Environment
    hardware: Hardware
    strategy: Literal["full_refresh"] = "full_refresh"
    rows: Count
    seed: Count
    asked_turns: Annotated[int, Field(ge=MIN_TURNS)]
    subjects: tuple[ComparedSubject, ...]

    @classmethod
    def schema_name(cls) -> str:
        """``certification_pipeline.comparison.v1``."""
        return f"certification_pipeline.{cls.KIND}.v1"
