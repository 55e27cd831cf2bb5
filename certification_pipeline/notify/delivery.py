"""Every notice to every receiver that wants it, once.

**At least once, with a bound on telling twice.** A try is recorded before and after. Whoever is killed
between sending and recording leaves a try without an end: nobody can know whether it arrived, so the notice
is sent again, since a red release that nobody heard of is worse than one heard of twice. The same holds for a
receiver that took it and never answered. After ``MOST_DOUBTS`` such tries a notice counts as told: a receiver
that swallows and hangs is told one thing three times at most, never every minute. A mail sent again has the
same Message-ID; a chat shows it twice.

A receiver that fails never stops a pass: what it missed is sent by a later one, while it is still news.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from certification_pipeline.notify import words
from certification_pipeline.notify.notice import Notice
from certification_pipeline.notify.notifier import NotDelivered, Receiver
from certification_pipeline.notify.record import Event, Fate, Line, Record
from certification_pipeline.redaction import Redactor

MOST_DOUBTS = 3
BUDGET_SECONDS = 30.0
"""No new delivery is begun after so long: a sensor's tick is cut off at 60 s, and one delivery takes up to
half of that."""
_QUICK_FAILURES = 3
_FIRST_PAUSE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=1)


class State(StrEnum):
    """What a pass did with a notice at one receiver."""

    SENT = "sent"
    FAILED = "failed"
    KNOWN = "known"
    """Told by an earlier pass."""
    LATER = "later"
    """Not tried now: the receiver failed a moment ago or too often, or the pass took too long."""
    GIVEN_UP = "given_up"


class Told(NamedTuple):
    """One notice at one receiver."""

    notice: Notice
    receiver: str
    state: State
    why: str = ""


def deliver(
    root: Path,
    notices: Iterable[Notice],
    receivers: Sequence[Receiver],
    *,
    now: datetime,
    redactor: Redactor | None = None,
    eager: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> list[Told]:
    """One pass; the most urgent first. ``eager``: a receiver that failed often is tried all the same.

    Raises ``EvidenceError`` when another pass is at work or nothing can be recorded: what cannot be recorded
    is not sent, for it would be sent for ever.
    """
    wanted = [
        (notice, receiver)
        for notice in sorted(notices, key=lambda one: (-one.severity.rank, one.at, one.key))
        for receiver in receivers
        if receiver.wanted.takes(notice)
    ]
    if not wanted:
        return []
    record, redactor = Record(root), redactor or Redactor()
    fates = record.fates()
    if all(_settled(fates.get((notice.key, receiver.name))) for notice, receiver in wanted):
        return [Told(notice, receiver.name, State.KNOWN) for notice, receiver in wanted]
    with record.turn():
        one_pass = _Pass(record, redactor, now, eager, clock)
        return [one_pass.tell(notice, receiver) for notice, receiver in wanted]


def preview(root: Path, notices: Iterable[Notice], receivers: Sequence[Receiver]) -> list[Told]:
    """What a pass would send; nothing is sent and nothing written."""
    fates = Record(root).fates()
    return [
        Told(notice, receiver.name, State.KNOWN if _settled(fates.get(at)) else State.LATER)
        for notice in notices
        for receiver in receivers
        if receiver.wanted.takes(notice)
        for at in [(notice.key, receiver.name)]
    ]


class _Pass:
    def __init__(
        self, record: Record, redactor: Redactor, now: datetime, eager: bool, clock: Callable[[], float]
    ) -> None:
        self.record, self.redactor, self.now, self.eager, self.clock = record, redactor, now, eager, clock
        self.fates = record.fates()  # read again: another pass may have ended while this one waited
        self.failed: set[str] = set()
        self.until = clock() + BUDGET_SECONDS

    def tell(self, notice: Notice, receiver: Receiver) -> Told:
        fate = self.fates.setdefault((notice.key, receiver.name), Fate())
        if _settled(fate):
            return Told(notice, receiver.name, State.KNOWN)
        if fate.open_doubts >= MOST_DOUBTS:
            why = f"{fate.open_doubts} tries were never confirmed: it was most likely told"
            self._note(notice, receiver, Event.GIVEN_UP, why)
            return Told(notice, receiver.name, State.GIVEN_UP, why)
        if why := self._not_now(receiver, fate):
            return Told(notice, receiver.name, State.LATER, why)
        return self._try(notice, receiver)

    def _not_now(self, receiver: Receiver, fate: Fate) -> str:
        if receiver.name in self.failed:
            return "the receiver failed a moment ago"
        if self.clock() >= self.until:
            return f"this pass has taken {BUDGET_SECONDS:g} s already"
        if not self.eager and fate.last is not None and (pause := _pause(fate)) > self.now - fate.last:
            return f"failed {fate.failures} times: tried again from {fate.last + pause:%H:%M} UTC on"
        return ""

    def _try(self, notice: Notice, receiver: Receiver) -> Told:
        self._note(notice, receiver, Event.TRYING)
        try:
            receiver.notifier.send(_masked(notice, self.redactor))
        except NotDelivered as error:
            return self._failure(notice, receiver, str(error), in_doubt=error.in_doubt)
        except Exception as error:  # a defect of one notifier must not stop the others
            return self._failure(notice, receiver, f"broke: {type(error).__name__}", in_doubt=True)
        self._note(notice, receiver, Event.SENT)
        return Told(notice, receiver.name, State.SENT)

    def _failure(self, notice: Notice, receiver: Receiver, why: str, *, in_doubt: bool) -> Told:
        why = self.redactor.redact_text(why)
        self.failed.add(receiver.name)
        self._note(notice, receiver, Event.IN_DOUBT if in_doubt else Event.FAILED, why)
        return Told(notice, receiver.name, State.FAILED, why)

    def _note(self, notice: Notice, receiver: Receiver, event: Event, why: str = "") -> None:
        title = self.redactor.redact_text(words.title(notice)) if event is Event.TRYING else ""
        line = Line(at=self.now, key=notice.key, receiver=receiver.name, event=event, title=title, why=why)
        self.record.add(line)
        self.fates[notice.key, receiver.name].take(line)


def _masked(notice: Notice, redactor: Redactor) -> Notice:
    """The same notice with every known secret masked, whatever evidence held; its key stays."""
    return notice.model_copy(
        update={
            "title": redactor.redact_text(notice.title),
            "subject": redactor.redact_text(notice.subject),
            "text": tuple(map(redactor.redact_text, notice.text)),
            "what_to_do": tuple(map(redactor.redact_text, notice.what_to_do)),
        }
    )


def _settled(fate: Fate | None) -> bool:
    return fate is not None and (fate.told or fate.given_up)


def _pause(fate: Fate) -> timedelta:
    """None for the first failures; then longer and longer, so that a dead receiver fills no disk."""
    more = fate.failures - _QUICK_FAILURES
    return timedelta(0) if more < 0 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(more, 10))
