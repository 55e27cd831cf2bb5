"""One thing worth telling people, as a value: the same for a chat, a mail and a log."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from certification_pipeline.evidence.artifact import Model


class NoticeKind(StrEnum):
    """What a notice is about; receivers may ask for some kinds only."""

    RED_GATE = "red_gate"
    """A release may not go out: failed, cannot tell, or unreadable."""
    GREEN_AGAIN = "green_again"
    DEMOTION = "demotion"
    """A connector holds a lower level than before."""
    SUSPENSION = "suspension"
    """The same, because something that was granted was seen to fail."""
    LEVEL_NOTICE = "level_notice"
    """A level's proof has expired; the level is kept until its notice ends."""
    PROMOTION = "promotion"
    EXPIRING = "expiring"
    """Evidence expires soon."""
    MISSED_TICK = "missed_tick"
    """A day of the timetable that nobody observed."""
    NEW_VERSION = "new_version"
    """The registry holds a version of an engine that was never certified."""
    TEST = "test"
    """`certify notify --test`."""


class Severity(StrEnum):
    """How urgent it is, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0, 1, 2: to compare."""
        return list(Severity).index(self)


class Notice(Model):
    """What is told. ``key`` makes it once-only: the same facts must always give the same key.

    Texts may hold anything that evidence holds; every receiver escapes for its own format.
    """

    key: str = Field(min_length=1, max_length=200)
    kind: NoticeKind
    severity: Severity
    at: AwareDatetime = Field(description="when it became so, not when it is told")
    subject: str = Field(description="what it is about, e.g. `reference 0.1.0`")
    title: str = Field(description="one line; says what happened without the rest")
    text: tuple[str, ...] = Field((), description="paragraphs; lines inside one belong together")
    what_to_do: tuple[str, ...] = Field((), description="commands where there are some, most urgent first")
    link: str | None = None
    thread: str = Field("", description="notices of one thread belong together; empty: alone")
