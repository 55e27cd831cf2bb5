"""What was done to a load on purpose, and what proves that it happened (laws 3 and 6).

A fault without a witness proves nothing: :func:`unwitnessed` makes the cell ``cantTell``. A crash line tells,
for every commit boundary of a load, what became of the rows when the load was broken there.
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


class CrashTrial(Model):
    """One load broken at one point, and what a rerun made of it; judged by the judgements of its steps."""

    point: int = Field(ge=1, description="number of the crash point")
    action: Literal["kill_before", "kill_after", "cut_after"]
    folder: Literal["kept", "lost"] = Field(description="the engine's working folder, before the rerun")
    step: str = Field(description="prefix of the steps of its faults and judgements")
    ended: str = Field(description="how the broken load ended")
    reruns: int = Field(ge=0, description="loads until one ended well; 0: the broken one did")


class CrashLine(Model):
    """Every commit boundary of one load, and every trial there."""

    points: tuple[CrashPoint, ...]
    trials: tuple[CrashTrial, ...] = ()
