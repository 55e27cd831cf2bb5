"""What every fault must offer, and what it may touch.

A fault decides no outcome. It says what it plans, does it, proves that it did, and makes whole what it broke.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.engines.outcome import Event

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession
    from certification_pipeline.harness.faults.link import Link
    from certification_pipeline.harness.services.provider import Instance

Facts = dict[str, JsonValue]
"""What a plan or a witness says: names and numbers, no secrets, no row values."""


@dataclass(frozen=True)
class Arena:
    """What a fault may touch: one cell's engine, wires, services and folders."""

    session: Callable[[], EngineSession]
    """The engine's process that loads now. Raises ``LookupError`` while none does."""
    links: Mapping[Side, Link]
    """The wires the cell's connections run through, where the scenario laid them."""
    services: Mapping[Side, Instance]
    """The services behind both ends."""
    state_dir: Path
    """The engine's working folder."""
    sink_files: Path | None
    """For a sink of files: the directory (or database file) that the engine writes."""
    namespace: str = ""
    """What the names of the cell's files at the sink hold."""
    own: frozenset[Side] = frozenset()
    """The sides whose service is this cell's own: its scenario disturbs them by restart."""
    dress: Callable[[Mapping[str, str]], None] | None = None
    """Let the next loads be done by a process with these variables; none: by the usual one."""


class Fault(ABC):
    """One disruption, for one use: ``arm``, then the load, then ``witness`` and ``heal``.

    ``arm`` may raise :class:`NothingToDisturb` or :class:`ToolMissing`. ``heal`` is called
    whatever happened, even when ``arm`` failed, and must be safe to call twice.
    """

    name: ClassVar[str]
    """``<room>.<what>``, e.g. ``network.reset``: stands in the evidence."""

    @abstractmethod
    def plan(self) -> Facts:
        """What it is going to do, as parameters."""

    @abstractmethod
    def arm(self, arena: Arena) -> None:
        """Get ready, or do it at once."""

    def begin(self, session: EngineSession) -> None:  # noqa: B027 - most faults need no clock
        """A load is asked for now, in the thread that will wait for it."""

    def hear(self, session: EngineSession, event: Event) -> None:  # noqa: B027 - most faults need not listen
        """Every phase and progress event of the load, in the thread that waits for the engine."""

    def settle(self) -> None:  # noqa: B027 - most faults are over when their load is
        """The load has ended, and nothing was asked of source or sink yet: wait for what is still at work."""

    @abstractmethod
    def witness(self) -> Facts | None:
        """What proves that it fired; ``None`` when it did not."""

    @abstractmethod
    def heal(self) -> None:
        """Make whole what it broke."""


class ToolMissing(Exception):  # noqa: N818 - a finding about this machine, not a failure of ours
    """This machine lacks what the fault is done with; the cell is untested, ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class NothingToDisturb(Exception):  # noqa: N818 - a finding about the engine, not a failure of ours
    """The engine keeps nothing of the kind that this fault damages; the message says what was looked for."""
