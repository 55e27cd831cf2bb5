"""What a run tells while it goes on; the CLI draws it, Dagster logs it, tests assert it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Family, Outcome


@dataclass(frozen=True, slots=True)
class RunPlanned:
    """A plan is sealed: so many cells, so many of them to run."""

    engine: str
    total: int
    to_run: int
    plan_digest: str


@dataclass(frozen=True, slots=True)
class ServiceStarted:
    """A service is up and has proved its identity."""

    system: str
    provider: str
    version: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EnginePreparing:
    """An engine's environment is being made; ``detail`` is a line for people."""

    engine: str
    detail: str


@dataclass(frozen=True, slots=True)
class EngineReady:
    """An engine answered ``describe``."""

    engine: str
    version: str


@dataclass(frozen=True, slots=True)
class EngineMissing:
    """An engine cannot be started here: its cells are untested, and the others go on."""

    engine: str
    detail: str


@dataclass(frozen=True, slots=True)
class CellStarted:
    """A worker took a cell."""

    engine: str
    cell_id: str


@dataclass(frozen=True, slots=True)
class CellStep:
    """A cell went a step further, e.g. ``load 2, after change round 1``."""

    engine: str
    cell_id: str
    text: str


@dataclass(frozen=True, slots=True)
class CellFinished:
    """A cell has its outcome, and its evidence is on disk."""

    engine: str
    cell_id: str
    outcome: Outcome
    seconds: float
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class FamilyStarted:
    """An evidence family beside the matrix is being made."""

    engine: str
    family: Family


@dataclass(frozen=True, slots=True)
class FamilyStep:
    """A family went a step further; ``text`` is a line for people, e.g. ``pair 3 of 10``."""

    engine: str
    family: Family
    text: str


@dataclass(frozen=True, slots=True)
class FamilyFinished:
    """A family's artifact is on disk; or it broke, and ``detail`` says how."""

    engine: str
    family: Family
    outcome: Outcome
    seconds: float
    detail: str | None = None


RunEvent = (
    RunPlanned
    | ServiceStarted
    | EnginePreparing
    | EngineReady
    | EngineMissing
    | CellStarted
    | CellStep
    | CellFinished
    | FamilyStarted
    | FamilyStep
    | FamilyFinished
)
OnEvent = Callable[[RunEvent], None]
