"""What happens in a conversation with PostgreSQL, as far as a fault may want to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Commit:
    """One boundary at which something becomes durable, or would."""

    action: str
    object: str
    at_step: int | None = None
    """The completion that proves it: the how-manieth of its exchange, from 0; ``None`` the ReadyForQuery."""
    flushed: int | None = None
    """For ``CONFIRM``: the position the client says it has made durable."""
    tag: str = ""
    """What the server said, once it is proven."""
    proven: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    """The client's message that will commit."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Proof:
    """The server's message that says it has."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Statements:
    """The client's message that has statements executed, or that carries rows for one."""

    writes: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """The server's message that says that something failed."""

    sqlstate: str


Event = Trigger | Proof | Statements | Failure
