"""What a vendor's API can do to its clients: refuse, break off, dawdle, answer nonsense, forget a login.

Each fault is the disturbance of one collection of our own vendor's (``services.vendor_conduct``); its witness
is how many answers it changed. What lasts until it is healed relents after :data:`PATIENCE` answers, so that
a client that would go on for ever ends, and can be told so.
"""

from __future__ import annotations

import json
import math
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, NothingToDisturb
from certification_pipeline.harness.services.api import ApiInstance
from certification_pipeline.harness.services.vendor_api import VendorApi
from certification_pipeline.harness.services.vendor_conduct import (
    TOKEN_SECONDS,
    Answer,
    Collection,
    Cut,
    Disturbance,
    Silent,
    Slowly,
)

PATIENCE = 40
"""Answers that a lasting fault spoils before it relents; who has not given up by then never would."""
PAGE = 2
"""Which page is disturbed: not the first, so that rows have been read already, and never the last."""
Place = tuple[str, str]
"""(namespace, table) of a collection."""


class HttpFault(Fault, Disturbance):
    """Arming puts it into the collection's conduct, healing takes it out."""

    name: ClassVar[str] = "http"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.spoilt = 0
        self._api: VendorApi | None = None

    def plan(self) -> Facts:
        """The collection's table; the namespace is the cell's own and says nothing."""
        return {"table": self.place[1], "page": PAGE}

    def arm(self, arena: Arena) -> None:
        """From now on."""
        instance = arena.services.get(Side.SOURCE)
        if not isinstance(instance, ApiInstance):
            raise NothingToDisturb("the source is no API of ours")
        self._api = instance.api
        self._api.conduct(*self.place).disturbance = self

    def witness(self) -> Facts | None:
        """How many answers it changed."""
        return {"answers": self.spoilt} if self.spoilt else None

    def heal(self) -> None:
        """The vendor behaves again."""
        if self._api is not None:
            self._api.conduct(*self.place).disturbance = Disturbance()

    def marked(self, answer: Answer) -> Answer:
        """One more answer that was changed."""
        self.spoilt += 1
        return replace(answer, fault=self.name)


class Refused(HttpFault):
    """429 or 5xx in place of the page; ``waits`` are asked for one after the other, then all is well.

    A wait is ``"seconds"`` (one second), ``"date"`` (between one and two) or ``""``, which asks for none.
    Without ``waits`` it lasts.
    """

    name = "http.refused"

    def __init__(
        self, place: Place, status: HTTPStatus, waits: tuple[Literal["seconds", "date", ""], ...] = ()
    ) -> None:
        super().__init__(place)
        self._status, self._waits = status, waits

    def plan(self) -> Facts:
        """Status and waits, too."""
        times = len(self._waits) or PATIENCE
        return {**super().plan(), "status": int(self._status), "times": times, "waits": [*self._waits]}

    def spoil(self, answer: Answer) -> Answer:
        """The refusal."""
        if answer.page != PAGE or self.spoilt >= (len(self._waits) or PATIENCE):
            return answer
        wait = self._waits[self.spoilt] if self._waits else ""
        headers: dict[str, str] = {}
        asked: float | None = None
        if wait == "seconds":
            headers["Retry-After"], asked = "1", 1.0
        elif wait == "date":
            now = time.time()
            date = math.ceil(now) + 1
            headers["Retry-After"] = format_datetime(datetime.fromtimestamp(date, UTC), usegmt=True)
            # To the hundredth: clocks that tell the date may be slewed against the one that measures.
            asked = math.floor((date - now) * 100) / 100
        body = json.dumps({"error": self._status.phrase}).encode()
        return self.marked(
            Answer(self._status, body, headers, page=answer.page, asked_seconds=asked),
        )


class BodyCut(HttpFault):
    """The page ends in its midst, once: by a reset, or by an end before its Content-Length."""

    name = "http.body_cut"

    def __init__(self, place: Place, *, reset: bool) -> None:
        super().__init__(place)
        self._reset = reset

    def plan(self) -> Facts:
        """Whether by a reset, too."""
        return {**super().plan(), "reset": self._reset}

    def spoil(self, answer: Answer) -> Answer:
        """Half of it."""
        if answer.page != PAGE or self.spoilt:
            return answer
        return replace(self.marked(answer), delivery=Cut(len(answer.body) // 2, self._reset))


class BodySlow(HttpFault):
    """The page comes a few bytes at a time, over so many seconds; once."""

    name = "http.body_slow"
    _PIECES = 20

    def __init__(self, place: Place, seconds: float) -> None:
        super().__init__(place)
        self._seconds = seconds

    def plan(self) -> Facts:
        """How slow, too."""
        return {**super().plan(), "seconds": self._seconds, "pieces": self._PIECES}

    def spoil(self, answer: Answer) -> Answer:
        """In pieces."""
        if answer.page != PAGE or self.spoilt:
            return answer
        return replace(self.marked(answer), delivery=Slowly(self._PIECES, self._seconds))


class BodySilent(HttpFault):
    """The page stops coming in its midst, and the connection stays open until the client goes; once."""

    name = "http.body_silent"

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._over = threading.Event()

    def spoil(self, answer: Answer) -> Answer:
        """Half of it."""
        if answer.page != PAGE or self.spoilt:
            return answer
        return replace(self.marked(answer), delivery=Silent(len(answer.body) // 2, self._over))

    def heal(self) -> None:
        """Whoever still waits is let go."""
        self._over.set()
        super().heal()


class PoisonPage(HttpFault):
    """A page with status 200 that no client can read: half a document, another shape, one bad record."""

    name = "http.poison_page"

    def __init__(
        self, place: Place, kind: Literal["not_json", "wrong_shape", "bad_record"], column: str
    ) -> None:
        super().__init__(place)
        self._kind, self._column = kind, column

    def plan(self) -> Facts:
        """What is wrong with it, too."""
        bad = {"column": self._column} if self._kind == "bad_record" else {}
        return {**super().plan(), "kind": self._kind, **bad}

    def spoil(self, answer: Answer) -> Answer:
        """The same page each time it is asked for."""
        if answer.page != PAGE:
            return answer
        body = answer.body[: len(answer.body) // 2]
        if self._kind != "not_json":
            document = json.loads(answer.body)
            if self._kind == "wrong_shape":
                document["data"] = {"error": "temporarily unavailable"}
            else:
                document["data"][0][self._column] = "n/a"
            body = json.dumps(document).encode()
        return replace(self.marked(answer), body=body)


class TokenExpired(HttpFault):
    """The token of the load ends while the list is read: when it said it would, or before.

    ``announced``: the first token that is asked for is good for a second, and the page is held until it has
    ended. Otherwise all tokens are revoked once the page has been made.
    """

    name = "http.token_expired"
    _SHORT_SECONDS = 1.0

    def __init__(self, place: Place, *, announced: bool) -> None:
        super().__init__(place)
        self._announced = announced
        self._short_given = False
        self._over: float | None = None
        """When the short token has ended for the client, too, whose second began when it had the token."""

    def plan(self) -> Facts:
        """Whether it was announced, too."""
        return {**super().plan(), "announced": self._announced}

    def arm(self, arena: Arena) -> None:
        """Only for clients that ask for tokens."""
        super().arm(arena)
        assert self._api is not None
        if not any(seen.method == "POST" for seen in self._api.log(self.place[0])):
            raise NothingToDisturb("it has asked the vendor for no token: it logs in with the password")

    def token_seconds(self) -> float:
        """The first one's time is short."""
        if not self._announced or self._short_given:
            return TOKEN_SECONDS
        self._short_given = True
        return self._SHORT_SECONDS

    def spoil(self, answer: Answer) -> Answer:
        """The page is right; what ends is the token."""
        if self._short_given and self._over is None:
            self._over = time.monotonic() + self._SHORT_SECONDS
        if answer.page != PAGE or self.spoilt:
            return answer
        if not self._announced:
            assert self._api is not None
            return self.marked(answer) if self._api.revoke(self.place[0]) else answer
        if self._over is None:
            return answer
        time.sleep(max(0.0, self._over - time.monotonic()))
        return self.marked(answer)


class ListShifted(HttpFault):
    """While the page is asked for, rows before it have gone, or others have come; then all is as before."""

    name = "http.list_shifted"
    _ROWS = 3

    def __init__(self, place: Place, kind: Literal["deleted", "inserted"]) -> None:
        super().__init__(place)
        self._kind = kind

    def plan(self) -> Facts:
        """What happens to the list, too."""
        return {**super().plan(), "rows": self._ROWS, "kind": self._kind}

    def view(self, collection: Collection, page: int) -> Collection:
        """Moved, once."""
        if page != PAGE or self.spoilt or collection.order is None or len(collection.order) <= self._ROWS:
            return collection
        self.spoilt += 1
        if self._kind == "deleted":
            order = collection.order.slice(self._ROWS)
            return replace(collection, rows=collection.rows.slice(self._ROWS), order=order)
        first = collection.order[0].as_py()
        fresh = pa.array(np.arange(first - self._ROWS, first, dtype=np.int64))
        rows = pa.concat_tables([collection.rows.slice(0, self._ROWS), collection.rows])
        return replace(collection, rows=rows, order=pa.concat_arrays([fresh, collection.order]))


class PageShort(HttpFault):
    """A page in the midst has fewer rows than it could, or none, and the list goes on."""

    name = "http.page_short"

    def __init__(self, place: Place, rows: int) -> None:
        super().__init__(place)
        self._rows = rows

    def plan(self) -> Facts:
        """How many rows it has, too."""
        return {**super().plan(), "rows": self._rows}

    def rows_on(self, page: int, per_page: int) -> int:
        """Fewer."""
        return self._rows if page == PAGE else per_page

    def spoil(self, answer: Answer) -> Answer:
        """Marked when it is the one."""
        return self.marked(answer) if answer.page == PAGE and answer.more else answer


class PagesLoop(HttpFault):
    """The link to the next page leads to the page itself, or to an earlier one."""

    name = "http.pages_loop"

    def __init__(self, place: Place, to: Literal["itself", "earlier"]) -> None:
        super().__init__(place)
        self._to = to

    def plan(self) -> Facts:
        """Where it leads, too."""
        return {**super().plan(), "to": self._to}

    def onward(self, page: int) -> int:
        """Back, until it relents."""
        if page != PAGE or self.spoilt >= PATIENCE:
            return page + 1
        return PAGE if self._to == "itself" else PAGE - 1

    def spoil(self, answer: Answer) -> Answer:
        """Marked when it is the one."""
        led_back = answer.page == PAGE and answer.more and self.spoilt < PATIENCE
        return self.marked(answer) if led_back else answer
