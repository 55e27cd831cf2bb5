"""What was done to a load on purpose, and what proves that it happened (laws 3 and 6).

A fault without a witness proves nothing: :func:`unwitnessed` makes the cell ``cantTell``. A crash line tells,
for every commit boundary of a load, that it was broken there; what became of the rows then is worked out
from the judgements (``evidence/trials.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, JsonValue

from certification_pipeline.evidence.artifact import Model


class FaultEvidence(Model):
    """One fault: what was planned, and what shows that it fired."""

    step: str = Field(description="e.g. 'load 2, after change round 1'; one step may try a fault again")
    fault: str = Field(description="e.g. 'process.kill', 'network.reset'")
    planned: dict[str, JsonValue] = Field(description="its parameters")
    witness: dict[str, JsonValue] | None = Field(
        None, description="bytes cut, pid killed, commit number …; none: it did not fire"
    )


def unwitnessed(faults: Iterable[FaultEvidence]) -> tuple[FaultEvidence, ...]:
    """The last try of each step and fault that never fired there."""
    last: dict[tuple[str, str], FaultEvidence] = {}
    for fault in faults:
        before = last.get((fault.step, fault.fault))
        if before is None or before.witness is None:
            last[fault.step, fault.fault] = fault
    return tuple(fault for fault in last.values() if fault.witness is None)


def all_fired(prefixes: Iterable[str], faults: Iterable[FaultEvidence]) -> bool:
    """Whether of each prefix of steps there is a fault with a witness."""
    fired = [fault.step for fault in faults if fault.witness is not None]
    return all(any(step.startswith(prefix) for step in fired) for prefix in prefixes)


class CrashPoint(Model):
    """A boundary at which a load makes something durable, as seen from outside in a clean run.

    Addressed by what is done to which object for the how-manieth time, not by its ordinal: parallel loaders
    reorder.
    """

    number: int = Field(ge=1, description="its place in the clean run")
    medium: Literal["sink", "source", "files"] = Field(description="a connection's wire, or the sink's files")
    action: str = Field(description="statement class or file event: COMMIT, INSERT, rename …")
    object: str = Field("", description="table, slot or file it was done to, namespaces and run ids left out")
    nth: int = Field(1, ge=1, description="the how-manieth of that action on that object")

    @property
    def address(self) -> str:
        """``sink COMMIT orders #1``."""
        return " ".join(filter(None, (self.medium, self.action, self.object, f"#{self.nth}")))


Break = Literal["kill_before", "kill_after", "cut_after"]
"""The engine is killed just before or just after the boundary, or its connection is cut after it."""
Folder = Literal["kept", "lost"]
"""The engine's working folder when it is started again."""
FOLDERS: tuple[Folder, ...] = ("kept", "lost")


BREAKS: tuple[Break, ...] = ("kill_before", "kill_after", "cut_after")
_AT_FILES: tuple[Break, ...] = ("kill_after",)
"""A file is seen when it has appeared, and no connection carries it."""


class TrialKey(Model):
    """Where and how a load is to be broken."""

    point: int = Field(ge=1, description="number of the crash point")
    action: Break
    folder: Folder = Field(description="the engine's working folder, before the rerun")


class CrashTrial(TrialKey):
    """One load broken at one point, and what a rerun made of it; judged by the judgements of its steps."""

    step: str = Field(description="prefix of the steps of its faults and judgements")
    ended: str = Field(description="how the broken load ended")
    reruns: int = Field(ge=0, description="loads until one ended well; 0: the broken one did")

    @property
    def key(self) -> TrialKey:
        """Which of the planned trials it is."""
        return TrialKey(point=self.point, action=self.action, folder=self.folder)


class CrashLine(Model):
    """Every boundary of one load, and every trial there."""

    points: tuple[CrashPoint, ...]
    actions: tuple[Break, ...] = Field(BREAKS, description="how the load is broken at each point")
    folders: tuple[Folder, ...] = Field(FOLDERS, description="in which state the working folder is left")
    trials: tuple[CrashTrial, ...] = ()

    def planned(self) -> tuple[TrialKey, ...]:
        """Every boundary x every way to break the load there x every state of the folder, left to right."""
        return tuple(
            TrialKey(point=point.number, action=action, folder=folder)
            for point in self.points
            for action in self.actions
            if point.medium != "files" or action in _AT_FILES
            for folder in self.folders
        )

    @property
    def untested(self) -> tuple[TrialKey, ...]:
        """Planned trials that nobody made: a line with gaps is no proof."""
        made = {trial.key for trial in self.trials}
        return tuple(key for key in self.planned() if key not in made)

    @property
    def whole(self) -> bool:
        """There are boundaries, and each was tried in every way."""
        return bool(self.points) and not self.untested

    def point(self, number: int) -> CrashPoint:
        """The point of that number. Raises ``LookupError``."""
        for point in self.points:
            if point.number == number:
                return point
        raise LookupError(f"the line has no crash point {number}")
