"""A vendor's REST API of our own: collections in pages, for engines that read from APIs.

``GET /v1/<namespace>/<table>`` answers ``{"data": […], "total": n, "pages": n, "next_cursor": "…"}`` with

- ``per_page`` (1 … 10 000, else 400; 100 when nothing is said),
- ``page=n`` (from 1) or ``cursor=…`` (opaque, from ``next_cursor``), and always a ``Link`` header with
  ``rel="next"`` while there is more (RFC 8288),
- ``updated_since=<RFC 3339>``: rows whose cursor column is at or after that moment; rows without a cursor
  value are then left out, as vendors do,
- HTTP Basic authentication; 401, 404 and 400 say what is wrong as ``{"error": …}``.

``GET /identity`` tells the nonce of this server, without authentication. Deterministic: rows keep the order
in which they came, an updated row keeps its place. A collection changes as a whole, between two requests.
Answers are made by :meth:`VendorApi.answer`, which knows nothing of sockets: whoever wants to disturb the
vendor does it between the two.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.harness.services.json_rows import json_rows
from certification_pipeline.harness.workload.spec import TableSpec

VERSION = "1"
USER = "certify"
MAX_PER_PAGE = 10_000
_DEFAULT_PER_PAGE = 100


@dataclass(frozen=True, slots=True)
class Collection:
    """One table as the vendor has it now."""

    spec: TableSpec
    rows: pa.Table


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: HTTPStatus
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class _BadRequest(Exception):  # noqa: N818 - an answer, not a defect
    """The request asks for something that cannot be."""


class VendorApi:
    """The server: listens on a port of 127.0.0.1 that was free, in threads of its own, until ``stop``."""

    _running: ClassVar[dict[str, VendorApi]] = {}

    def __init__(self) -> None:
        self.nonce = secrets.token_hex(16)
        self.password = secrets.token_urlsafe(24)
        self._collections: dict[tuple[str, str], Collection] = {}
        self._authorization = _basic(USER, self.password)
        self._server = _Server(self)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"
        self.dsn = f"http://{USER}:{self.password}@{self.address}"
        self._thread = threading.Thread(target=self._serve, name="vendor-api", daemon=True)
        VendorApi._running[self.dsn] = self
        self._thread.start()

    def __repr__(self) -> str:
        return f"VendorApi({self.url})"

    @classmethod
    def at(cls, dsn: str) -> VendorApi:
        """The server of this process behind that DSN: who fills its collections. Raises ``LookupError``."""
        if dsn not in cls._running:
            raise LookupError("no API of this process is served there")
        return cls._running[dsn]

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """No longer listen; idempotent."""
        if VendorApi._running.pop(self.dsn, None) is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    # --- what the vendor has -------------------------------------------------------------------------

    def put(self, namespace: str, table: str, collection: Collection) -> None:
        """Exchange a whole collection, between two requests."""
        self._collections[namespace, table] = collection

    def get(self, namespace: str, table: str) -> Collection | None:
        """The collection as it is now."""
        return self._collections.get((namespace, table))

    def remove(self, namespace: str, table: str) -> None:
        """Forget a collection if it is there."""
        self._collections.pop((namespace, table), None)

    # --- answers ---------------------------------------------------------------------------------------

    def answer(self, target: str, authorization: str | None) -> Answer:
        """The answer to ``GET target``."""
        parts = urlsplit(target)
        path = [unquote(part) for part in parts.path.split("/")[1:]]
        if path == ["identity"]:
            return _json(HTTPStatus.OK, {"nonce": self.nonce, "version": VERSION})
        if not hmac.compare_digest((authorization or "").encode(), self._authorization.encode()):
            headers = {"WWW-Authenticate": 'Basic realm="vendor"'}
            return _json(HTTPStatus.UNAUTHORIZED, {"error": "wrong user or password"}, headers)
        match path:
            case ["v1", namespace, table]:
                collection = self.get(namespace, table)
            case _:
                collection = None
        if collection is None:
            return _json(HTTPStatus.NOT_FOUND, {"error": "there is no such collection"})
        try:
            return self._page(collection, parts.path, dict(parse_qsl(parts.query)))
        except _BadRequest as error:
            return _json(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def _page(self, collection: Collection, path: str, query: dict[str, str]) -> Answer:
        rows = collection.rows
        if since := query.get("updated_since"):
            rows = _updated_since(collection, since)
        per_page = _number(query, "per_page", _DEFAULT_PER_PAGE, MAX_PER_PAGE)
        page = _number(query, "page", 1)
        start = _offset(query["cursor"]) if "cursor" in query else (page - 1) * per_page
        stop = start + per_page
        more = stop < rows.num_rows
        envelope = {
            "total": rows.num_rows,
            "pages": -(-rows.num_rows // per_page),
            "next_cursor": _token(stop) if more else None,
        }
        body = f'{{"data": [{",".join(json_rows(collection.spec, rows.slice(start, per_page)))}], '
        body += json.dumps(envelope)[1:]
        headers = {}
        if more:
            onward = {"cursor": _token(stop)} if "cursor" in query else {"page": str(stop // per_page + 1)}
            link = urlencode({**query, **onward})
            headers["Link"] = f'<{self.url}{path}?{link}>; rel="next"'
        return Answer(HTTPStatus.OK, body.encode(), headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: VendorApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed in the midst of a page is what we are here for, not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer one request."""
        answer = self.server.api.answer(self.path, self.headers.get("Authorization"))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: stderr belongs to whoever runs us."""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _json(status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers or {})


def _number(query: Mapping[str, str], name: str, default: int, most: int | None = None) -> int:
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or int(text) < 1 or (most is not None and int(text) > most):
        raise _BadRequest(f"{name} must be a number from 1" + (f" to {most}" if most else ""))
    return int(text)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode().rstrip("=")


def _offset(token: str) -> int:
    try:
        name, _, offset = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name, offset = "", ""
    if name != "offset" or not offset.isdigit():
        raise _BadRequest("cursor is none that was given out")
    return int(offset)


def _updated_since(collection: Collection, since: str) -> pa.Table:
    cursor = collection.spec.cursor
    if cursor is None:
        raise _BadRequest("this collection has no moment of change")
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise _BadRequest("updated_since must be a moment as in RFC 3339") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    column = collection.rows.column(cursor)
    at = aware.astimezone(UTC)
    bound = pa.scalar(at if column.type.tz else at.replace(tzinfo=None), type=column.type)
    # A row without a cursor compares as null, and a filter drops it.
    return collection.rows.filter(pc.greater_equal(column, bound))
