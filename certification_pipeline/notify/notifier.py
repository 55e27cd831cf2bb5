"""The one interface that every receiver is behind, and how it says that it could not deliver."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from certification_pipeline.notify.notice import Notice, NoticeKind, Severity


class NotDelivered(Exception):  # noqa: N818 - an outcome, not a defect
    """The receiver did not take it. ``str()`` holds no secret.

    ``in_doubt``: it may have, for its answer never came; sending again may tell somebody twice.
    """

    def __init__(self, why: str, *, in_doubt: bool = False) -> None:
        super().__init__(why)
        self.in_doubt = in_doubt


class Notifier(Protocol):
    """Delivers one notice to one receiver, or raises :class:`NotDelivered`; nothing else ever leaves it.

    It takes a bounded time: it retries only what was certainly not taken, and only a few times.
    """

    @property
    def receiver(self) -> str:
        """Names whom it reaches, in records and on screens: stable, and no secret."""
        ...

    def send(self, notice: Notice) -> None:
        """Deliver it now."""
        ...


@dataclass(frozen=True)
class Wanted:
    """Which notices a receiver asks for; no kinds: all of them."""

    kinds: Collection[NoticeKind] = ()
    least: Severity = Severity.INFO

    def takes(self, notice: Notice) -> bool:
        """Whether it is to be sent; a test is sent to everybody."""
        if notice.kind is NoticeKind.TEST:
            return True
        return notice.severity.rank >= self.least.rank and (not self.kinds or notice.kind in self.kinds)


@dataclass(frozen=True)
class Receiver:
    """A notifier and what it asks for."""

    notifier: Notifier
    wanted: Wanted = Wanted()

    @property
    def name(self) -> str:
        """As in the record."""
        return self.notifier.receiver
