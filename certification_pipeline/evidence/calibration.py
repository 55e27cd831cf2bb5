"""``calibration.json``: what the bench made of engines that are wrong on purpose, and of the right one.

Everything that is told (the score, which cell killed which defect, which scenario kills nothing, which
outcomes were flaky) follows from the trials and the plan inside: :func:`calibration_verdict.calibration`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from certification_pipeline.catalog.vocabulary import Family, Outcome, ReasonCode
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model, Subject
from certification_pipeline.evidence.cell import Judgement, judged
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.disruption import FaultEvidence

Fate = Literal["killed", "survived", "undecided"]
"""``undecided``: no cell failed, and not every cell passed; or the bench was red without the defect, too."""


class Basis(Model):
    """What a calibration is of. It holds for nothing else: a changed bench is another bench."""

    scope: Digest = Field(pattern=DIGEST_PATTERN, description="scenarios, systems, types, claims, defects")
    harness: Digest = Field(pattern=DIGEST_PATTERN, description="sha256 over the code of the harness")
    reference: Digest = Field(
        pattern=DIGEST_PATTERN, description="of the reference engine, as it says itself"
    )


class Planted(Model):
    """One defect of the plan; its cells are named as in the calibration plan."""

    id: str
    does: str
    stands_for: str
    seen_in: tuple[str, ...] = ()
    cells: tuple[str, ...] = Field((), description="each of which must be red with it")
    family: Family | None = Field(None, description="no cell can see it: this family's evidence does")
    proof: str | None = None


class Trial(Model):
    """One cell, run by the engine with one defect, or by the clean one; judged by what is inside."""

    defect: str | None = Field(description="None: the clean engine, the control")
    cell: str
    repetition: int = Field(1, ge=1)
    scenario_version: int
    run_id: str
    finished_at: AwareDatetime
    seconds: float = Field(ge=0)
    judgements: tuple[Judgement, ...] = Field((), description="of those that hold, without rows to show")
    faults: tuple[FaultEvidence, ...] = ()
    reason: ReasonCode | None = None
    detail: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Recomputed, like any cell's."""
        return judged(self.reason, self.judgements, self.faults)


class DefectLine(Model):
    """What became of one defect."""

    id: str
    fate: Fate
    killed_by: tuple[str, ...]
    passed_by: tuple[str, ...] = Field((), description="cells of the plan that were green in spite of it")
    undecided: tuple[str, ...] = Field((), description="cells that say nothing: not run, or cantTell")


class ScenarioLine(Model):
    """How many defects one scenario kills; none: nobody has seen it fail."""

    id: str
    planned: int
    kills: int
    defects: tuple[str, ...]


class CleanCell(Model):
    """One cell of the clean engine, run again and again."""

    cell: str
    runs: int
    outcomes: dict[Outcome, int]


class CleanRuns(Model):
    """How often the bench called the clean engine anything but green."""

    asked: int = Field(description="rounds over all control cells; one without --clean")
    runs: int
    alarms: int
    upper_bound: float | None = Field(
        description="of the rate of false alarms at 95 %: 3/n when none was seen (rule of three), else exact"
    )
    cells: tuple[CleanCell, ...]
    flaky: tuple[str, ...] = Field((), description="cells with more than one outcome")


class Calibration(Decision):
    """Green when every planted defect is killed, every scenario kills, and the clean engine is green."""

    KIND: ClassVar[str] = "calibration"

    basis: Basis
    calibrated: Subject | None = Field(description="the reference engine that was run; None: no trial")
    rows: int
    seed: int
    scenarios: tuple[str, ...] = Field(description="of the catalogue; each must kill a defect")
    plan: tuple[Planted, ...]
    trials: tuple[Trial, ...]
    repeated: tuple[CleanCell, ...] = Field((), description="control cells beyond their first run, counted")
    planted: int
    killed: int
    score: float = Field(description="killed / planted; defects that another family sees are not counted")
    defects: tuple[DefectLine, ...]
    kills: tuple[ScenarioLine, ...]
    clean: CleanRuns
