"""Pages of a collection: by number, by a cursor that keeps its place, and by ``Link`` header (RFC 8288)."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.harness.services.json_rows import json_rows
from certification_pipeline.harness.services.vendor_conduct import MAX_PER_PAGE, Answer, Collection, Conduct

_DEFAULT_PER_PAGE = 100
_BEFORE_ALL = -(2**62)


class BadRequest(Exception):  # noqa: N818 - an answer, not a defect
    """The request asks for something that cannot be."""


def page_of(collection: Collection, conduct: Conduct, url: str, query: dict[str, str]) -> Answer:
    """The page that ``query`` asks for; ``url`` is the collection's own. Raises :class:`BadRequest`.

    By number a page is found by counting, so rows that come or go before it move it. A cursor names the last
    row that was given: rows before it may come and go.
    """
    per_page = min(_number(query, "per_page", _DEFAULT_PER_PAGE, MAX_PER_PAGE), conduct.most_per_page)
    by_cursor = "cursor" in query
    after, page = _place(query["cursor"]) if by_cursor else (_BEFORE_ALL, _number(query, "page", 1))
    disturbance = conduct.disturbance
    if since := query.get("updated_since"):
        collection = _updated_since(collection, since)
    there = disturbance.view(collection, page)
    assert there.order is not None
    order = there.order.to_numpy()
    sizes = [disturbance.rows_on(number, per_page) for number in range(1, page + 1)]
    start = bisect_right(order, after) if by_cursor else sum(sizes[:-1])
    stop = start + sizes[-1]
    rows = there.rows.slice(start, sizes[-1])
    envelope: dict[str, object] = {
        "total": len(order),
        "pages": _pages(len(order), per_page, conduct),
        "per_page": per_page,
    }
    headers = {}
    onward = disturbance.onward(page)
    if stop < len(order):
        last = int(order[min(stop, len(order)) - 1]) if stop else _BEFORE_ALL
        if onward == page:
            last = after
        elif onward < page:
            last = _BEFORE_ALL
        if conduct.cursors:
            envelope["next_cursor"] = _token(last, onward)
        if conduct.links:
            way = {"cursor": _token(last, onward)} if by_cursor else {"page": str(onward)}
            headers["Link"] = f'<{url}?{urlencode({**query, **way})}>; rel="next"'
    elif conduct.cursors:
        envelope["next_cursor"] = None
    body = f'{{"data": [{",".join(json_rows(there.spec, rows))}], {json.dumps(envelope)[1:]}'
    return Answer(HTTPStatus.OK, body.encode(), headers, page=page, more=stop < len(order))


def in_order(collection: Collection, before: Collection | None) -> Collection:
    """With the order of its rows: who was there before keeps the place, who is new comes last."""
    rows = collection.rows.num_rows
    key = collection.spec.primary_key[0] if collection.spec.primary_key else None
    if before is None or before.order is None or key is None or key not in before.rows.column_names:
        return replace(collection, order=pa.array(np.arange(rows, dtype=np.int64)))
    known = pc.index_in(
        collection.rows.column(key).combine_chunks(), value_set=before.rows.column(key).combine_chunks()
    )
    kept = before.order.take(known)
    first = int(before.order[-1].as_py()) + 1 if len(before.order) else 0
    fresh = pa.array(np.arange(first, first + rows, dtype=np.int64))
    return replace(collection, order=pc.coalesce(kept, fresh))


def _pages(rows: int, per_page: int, conduct: Conduct) -> int:
    page = 0
    while rows > 0:
        page += 1
        rows -= conduct.disturbance.rows_on(page, per_page)
    return page


def _number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < 1 or (most is not None and int(text) > most):
        raise BadRequest(f"{name} must be a number from 1" + (f" to {most}" if most else ""))
    return int(text)


def _token(after: int, page: int) -> str:
    return base64.urlsafe_b64encode(f"after:{after}:{page}".encode()).decode().rstrip("=")


def _place(token: str) -> tuple[int, int]:
    """(the last row that was given, the how-manieth page comes now)."""
    try:
        name, after, page = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().split(":")
        if name == "after" and int(page) > 0:
            return int(after), int(page)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise BadRequest("cursor is none that was given out")


def _updated_since(collection: Collection, since: str) -> Collection:
    cursor = collection.spec.cursor
    if cursor is None:
        raise BadRequest("this collection has no moment of change")
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise BadRequest("updated_since must be a moment as in RFC 3339") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    column = collection.rows.column(cursor)
    at = aware.astimezone(UTC)
    bound = pa.scalar(at if column.type.tz else at.replace(tzinfo=None), type=column.type)
    # A row without a cursor compares as null, and a filter drops it.
    chosen = pc.greater_equal(column, bound).combine_chunks()
    assert collection.order is not None
    return replace(collection, rows=collection.rows.filter(chosen), order=collection.order.filter(chosen))
