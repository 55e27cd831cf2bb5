"""The pages of one list, from the first to the last, in the way that keeps its place best.

The vendor may offer a cursor, a ``Link`` header (RFC 8288) or page numbers; the first of these that is there
is taken. Cursors keep their place while rows come and go. By link or number a page is found by counting, so
there the total must stay what it was and be what arrived, or the list has moved (``conflict``, and it is
read again). How long a page is says nothing: it may be short or empty, and the list goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sources.http import Reply, Vendor


class _Way(Enum):
    CURSOR = "cursor"
    LINK = "link"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer holds; ``onward`` is the next page's path and query, ``None`` at the end."""

    records: list[Any]
    total: int | None
    onward: str | None


class Pages:
    """One list; ``first`` is path and query of its first page."""

    def __init__(self, vendor: Vendor, first: str, defect: Defect | None) -> None:
        self._vendor, self._first, self._defect = vendor, first, defect
        self._way: _Way | None = _Way.NUMBER if defect is Defect.PAGE_BY_NUMBER else None

    def __iter__(self) -> Iterator[Page]:
        """Each once. Raises :class:`LoadError` for pages that cannot be read, circles, a list that moved."""
        target: str | None = self._first
        followed, sent, longest, number = {self._first}, 0, 0, 0
        total: int | None = None
        while target is not None:
            number += 1
            page = self._page(target, number)
            sent, longest = sent + len(page.records), max(longest, len(page.records))
            if number > 1:
                self._check_still(total, page.total)
            total = page.total
            if page.onward in followed and self._defect is not Defect.FOLLOW_LOOP:
                raise LoadError(FailureCategory.DATA, "the vendor's pages lead in a circle")
            if self._defect is Defect.DROP_LAST_PAGE and page.onward is None:
                return
            yield page
            target = None if self._ends_early(page, longest) else page.onward
            followed.add(target or "")
        self._check_still(total, sent)

    def _check_still(self, before: int | None, now: int | None) -> None:
        if self._way is _Way.CURSOR or before is None or self._defect is Defect.PAGE_BY_NUMBER:
            return
        if before != now:
            message = "the list moved while its pages were counted: rows came or went"
            raise LoadError(FailureCategory.CONFLICT, message, again=True)

    def _ends_early(self, page: Page, longest: int) -> bool:
        """Only for planted defects."""
        short = self._defect is Defect.STOP_AT_SHORT_PAGE and len(page.records) < longest
        return short or (self._defect is Defect.STOP_AT_EMPTY_PAGE and not page.records)

    # --- one page -----------------------------------------------------------------------------------------

    def _page(self, target: str, number: int) -> Page:
        reply = self._vendor.get(target)
        try:
            document = json.loads(reply.body, parse_constant=_no_constant)
        except ValueError:
            if self._defect is Defect.KEEP_HALF_PAGE:
                return Page(_whole_records(reply.body), None, None)
            return self._poisoned("the vendor's page is no JSON document", number)
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            return self._poisoned("the vendor's page holds no list of records", number)
        total = document.get("total")
        onward = self._onward(document, reply, number)
        return Page(document["data"], total if isinstance(total, int) else None, onward)

    def _poisoned(self, message: str, number: int) -> Page:
        if self._defect is Defect.SKIP_POISON_PAGE:
            return Page([], None, f"{self._first}&page={number + 1}")
        raise LoadError(FailureCategory.DATA, message)

    def _onward(self, document: Mapping[str, Any], reply: Reply, number: int) -> str | None:
        if self._way is None:
            linked = _Way.LINK if "Link" in reply.headers else _Way.NUMBER
            self._way = _Way.CURSOR if "next_cursor" in document else linked
        match self._way:
            case _Way.CURSOR:
                cursor = document.get("next_cursor")
                return f"{self._first}&{urlencode({'cursor': cursor})}" if cursor else None
            case _Way.LINK:
                return self._link(reply.headers)
            case _Way.NUMBER:
                pages = document.get("pages")
                more = isinstance(pages, int) and number < pages
                return f"{self._first}&page={number + 1}" if more else None

    def _link(self, headers: Mapping[str, str]) -> str | None:
        """Path and query of ``rel="next"``; never another host, which would be told our token."""
        for part in (headers.get("Link") or "").split(","):
            target, _, kind = part.strip().partition(";")
            if 'rel="next"' in kind:
                url = urlsplit(urljoin(self._vendor.address, target.strip("<>")))
                if f"{url.scheme}://{url.netloc}" != self._vendor.address:
                    raise LoadError(FailureCategory.DATA, "the vendor's next page is on another host")
                return f"{url.path}?{url.query}"
        return None


def _no_constant(name: str) -> Any:
    """NaN and the infinities are no JSON, though Python reads them."""
    raise ValueError(name)


def _whole_records(body: bytes) -> list[Any]:
    """:attr:`Defect.KEEP_HALF_PAGE`: the records before the place where the page breaks off."""
    text = body.decode(errors="ignore")
    place, found, decoder = text.find("[") + 1, [], json.JSONDecoder()
    while place < len(text):
        try:
            record, place = decoder.raw_decode(text, place)
        except ValueError:
            break
        found.append(record)
        place = text.find("{", place) if "{" in text[place:] else len(text)
    return found
