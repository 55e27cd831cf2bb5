"""What a sink must be able to do to take part in a two-phase commit."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Standing(StrEnum):
    """Where a transaction stands at one participant."""

    PREPARED = "prepared"
    """Waiting for the decision."""
    COMMITTED = "committed"
    """Visible."""
    GONE = "gone"
    """Never prepared, or rolled back."""


class Participant(Protocol):
    """One place that holds a part of a transaction.

    ``commit`` and ``abort`` act on what is prepared and on nothing else. So both may be repeated, and an
    opposite decision that comes later reverses nothing (the contract of Krishiv's two-phase sinks).
    All but ``prepare`` must work from a process that never saw the transaction.
    """

    @property
    def address(self) -> str:
        """Which place, in the coordinator's log: the same after a restart, no secrets."""
        ...

    def prepare(self, gid: str) -> str:
        """Make the work done so far durable and able to be committed by name, and show it to nobody.

        Returns a token by which :meth:`standing` recognises the transaction after it is over. Raises when
        the answer is no; then nothing of it is visible, now or later.
        """
        ...

    def standing(self, gid: str, token: str) -> Standing:
        """Where the transaction stands; ``token`` is empty when its preparation was never confirmed."""
        ...

    def commit(self, gid: str) -> bool:
        """Make what is prepared under that name visible at once, durably.

        Nothing prepared: no effect, and ``False``.
        """
        ...

    def abort(self, gid: str) -> None:
        """Throw away what is prepared under that name. Nothing prepared: no effect."""
        ...

    def prepared(self) -> frozenset[str]:
        """Every name under which something is prepared at this place, whoever did it."""
        ...
