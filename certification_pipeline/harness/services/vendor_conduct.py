"""How the vendor behaves towards one collection: what it offers, what it sends, and how it is disturbed.

Whoever wants to disturb it writes a :class:`Disturbance` and puts it into the collection's :class:`Conduct`;
it is asked at every request, in the thread that answers. What came of it stands in the request log
(:class:`Seen`), whose times are the server's own monotonic clock.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import pyarrow as pa

from certification_pipeline.harness.workload.spec import TableSpec

MAX_PER_PAGE = 10_000
TOKEN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Cut:
    """The body ends after so many bytes, by a reset or by an end that comes too early."""

    after: int
    reset: bool


@dataclass(frozen=True, slots=True)
class Slowly:
    """The body comes in so many pieces, spread over so many seconds."""

    pieces: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Silent:
    """After so many bytes nothing more comes, until the client goes or ``over`` is set."""

    after: int
    over: threading.Event


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back, and how."""

    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Cut | Slowly | Silent | None = None
    page: int | None = None
    """The how-manieth page of a list it is, from 1."""
    more: bool = False
    """Whether another page follows it."""
    fault: str | None = None
    """What was done to it on purpose."""
    asked_seconds: float | None = None
    """How long it asks the client to wait."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as the server saw it."""

    at: float
    """When it had come, on the server's monotonic clock."""
    answered: float
    """When the answer was ready to be sent."""
    method: str
    target: str
    status: int
    page: int | None
    fault: str | None
    asked_seconds: float | None


@dataclass(frozen=True, slots=True)
class Collection:
    """One table as the vendor has it now."""

    spec: TableSpec
    rows: pa.Table
    order: pa.Array | None = None
    """Ascending: each row's place in the order in which rows came. A row keeps it as long as it is there."""


class Disturbance:
    """What may be done to a collection; every hook leaves things as they are."""

    def view(self, collection: Collection, page: int) -> Collection:
        """The collection as it is for a request of that page."""
        return collection

    def rows_on(self, page: int, per_page: int) -> int:
        """How many rows that page has."""
        return per_page

    def onward(self, page: int) -> int:
        """Which page the link to the next one leads to."""
        return page + 1

    def spoil(self, answer: Answer) -> Answer:
        """The answer as it is sent."""
        return answer

    def token_seconds(self) -> float:
        """How long a token that is asked for now is good, and says that it is."""
        return TOKEN_SECONDS


@dataclass
class Conduct:
    """Towards one collection; may be changed between two requests."""

    most_per_page: int = MAX_PER_PAGE
    """Who asks for more rows a page gets so many: vendors cap."""
    cursors: bool = True
    """Whether a ``next_cursor`` is given out."""
    links: bool = True
    """Whether a ``Link`` header is."""
    disturbance: Disturbance = field(default_factory=Disturbance)
