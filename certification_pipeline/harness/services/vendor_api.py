"""A vendor's REST API of our own: collections in pages, for engines that read from APIs.

``GET /v1/<namespace>/<table>`` answers ``{"data": […], "total": n, "pages": n, "per_page": n,
"next_cursor": "…"}`` with

- ``per_page`` (1 … 10 000, else 400; 100 when nothing is said; a collection may have a cap of its own),
- ``page=n`` (from 1), found by counting, or ``cursor=…`` (opaque, from ``next_cursor``), which keeps its
  place while rows come and go; and a ``Link`` header with ``rel="next"`` while there is more (RFC 8288),
- ``updated_since=<RFC 3339>``: rows whose cursor column is at or after that moment; rows without a cursor
  value are then left out, as vendors do,
- HTTP Basic authentication, or ``Bearer`` with a token of the namespace; 401, 404 and 400 say what is wrong
  as ``{"error": …}``.

``POST /oauth/<namespace>/token`` gives a token for user and password as client id and secret (RFC 6749,
section 4.4), in the header or in the form. ``GET /identity`` tells the nonce of this server, without
authentication. Deterministic: rows keep the order in which they came, an updated row keeps its place. A
collection changes as a whole, between two requests. Each collection can be disturbed, and each request is
logged: see ``vendor_conduct``.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import select
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

from certification_pipeline.harness.services.vendor_conduct import (
    MAX_PER_PAGE,
    TOKEN_SECONDS,
    Answer,
    Collection,
    Conduct,
    Cut,
    Seen,
    Silent,
    Slowly,
)
from certification_pipeline.harness.services.vendor_pages import BadRequest, in_order, page_of

__all__ = ["MAX_PER_PAGE", "USER", "VERSION", "Answer", "Collection", "VendorApi"]

VERSION = "2"
USER = "certify"
_GLANCE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Token:
    namespace: str
    until: float
    """On the server's monotonic clock."""


class VendorApi:
    """The server: listens on a port of 127.0.0.1 that was free, in threads of its own, until ``stop``."""

    _running: ClassVar[dict[str, VendorApi]] = {}

    def __init__(self) -> None:
        self.nonce = secrets.token_hex(16)
        self.password = secrets.token_urlsafe(24)
        self._collections: dict[tuple[str, str], Collection] = {}
        self._conducts: dict[tuple[str, str], Conduct] = {}
        self._tokens: dict[str, _Token] = {}
        self._log: dict[str, list[Seen]] = defaultdict(list)
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
        self._server.serve_forever(poll_interval=_GLANCE_SECONDS)

    def stop(self) -> None:
        """No longer listen; idempotent."""
        if VendorApi._running.pop(self.dsn, None) is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    # --- what the vendor has -------------------------------------------------------------------------

    def put(self, namespace: str, table: str, collection: Collection) -> None:
        """Exchange a whole collection, between two requests."""
        before = self._collections.get((namespace, table))
        self._collections[namespace, table] = in_order(collection, before)

    def get(self, namespace: str, table: str) -> Collection | None:
        """The collection as it is now."""
        return self._collections.get((namespace, table))

    def remove(self, namespace: str, table: str) -> None:
        """Forget a collection if it is there, with its conduct, its tokens and the log of its namespace."""
        self._collections.pop((namespace, table), None)
        self._conducts.pop((namespace, table), None)
        self._log.pop(namespace, None)
        self._tokens = {name: one for name, one in self._tokens.items() if one.namespace != namespace}

    def conduct(self, namespace: str, table: str) -> Conduct:
        """How it behaves towards that collection; to be changed between two requests."""
        return self._conducts.setdefault((namespace, table), Conduct())

    def log(self, namespace: str) -> tuple[Seen, ...]:
        """Every request to the namespace so far, in the order in which they were answered."""
        return tuple(self._log.get(namespace, ()))

    def revoke(self, namespace: str) -> int:
        """End all tokens of the namespace at once; how many were good until now."""
        now, ended = time.monotonic(), 0
        for name, token in list(self._tokens.items()):
            if token.namespace == namespace and token.until > now:
                self._tokens[name] = _Token(namespace, now)
                ended += 1
        return ended

    # --- answers ---------------------------------------------------------------------------------------

    def answer(self, target: str, authorization: str | None, host: str = "") -> Answer:
        """The answer to ``GET target``; ``host`` is where the client believes to be, for links."""
        came, parts = time.monotonic(), urlsplit(target)
        path = [unquote(part) for part in parts.path.split("/")[1:]]
        if path == ["identity"]:
            return _json(HTTPStatus.OK, {"nonce": self.nonce, "version": VERSION})
        namespace, table = path[1:] if path[0] == "v1" and len(path) == 3 else ("", "")  # noqa: PLR2004
        conduct = self._conducts.get((namespace, table)) or Conduct()
        if (collection := self.get(namespace, table)) and self._admitted(authorization, namespace):
            try:
                url = f"http://{host or self.address}{parts.path}"
                answer = page_of(collection, conduct, url, dict(parse_qsl(parts.query)))
            except BadRequest as error:
                answer = _json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            else:
                answer = conduct.disturbance.spoil(answer)
        elif not self._admitted(authorization, namespace):
            answer = _refused(authorization)
        else:
            answer = _json(HTTPStatus.NOT_FOUND, {"error": "there is no such collection"})
        self._note(namespace, came, "GET", target, answer)
        return answer

    def token(self, target: str, authorization: str | None, form: str) -> Answer:
        """The answer to ``POST target``, which asks for a token."""
        came = time.monotonic()
        match [unquote(part) for part in urlsplit(target).path.split("/")[1:]]:
            case ["oauth", namespace, "token"]:
                pass
            case _:
                return _json(HTTPStatus.NOT_FOUND, {"error": "tokens are given elsewhere"})
        fields = dict(parse_qsl(form))
        login = authorization or _basic(fields.get("client_id", ""), fields.get("client_secret", ""))
        if fields.get("grant_type") != "client_credentials":
            answer = _json(HTTPStatus.BAD_REQUEST, {"error": "unsupported_grant_type"})
        elif not self._logs_in(login):
            answer = _json(HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"})
        else:
            good = [c for (there, _), c in list(self._conducts.items()) if there == namespace]
            seconds = min((c.disturbance.token_seconds() for c in good), default=TOKEN_SECONDS)
            name = secrets.token_urlsafe(24)
            self._tokens[name] = _Token(namespace, time.monotonic() + seconds)
            given = {"access_token": name, "token_type": "bearer", "expires_in": int(seconds)}
            answer = _json(HTTPStatus.OK, given, {"Cache-Control": "no-store"})
        self._note(namespace, came, "POST", target, answer)
        return answer

    def _note(self, namespace: str, came: float, method: str, target: str, answer: Answer) -> None:
        seen = Seen(
            at=came,
            answered=time.monotonic(),
            method=method,
            target=target,
            status=int(answer.status),
            page=answer.page,
            fault=answer.fault,
            asked_seconds=answer.asked_seconds,
        )
        if any(there == namespace for there, _ in self._collections):
            self._log[namespace].append(seen)

    def _admitted(self, authorization: str | None, namespace: str) -> bool:
        kind, _, name = (authorization or "").partition(" ")
        if kind != "Bearer":
            return self._logs_in(authorization or "")
        token = self._tokens.get(name)
        return token is not None and token.namespace == namespace and token.until > time.monotonic()

    def _logs_in(self, authorization: str) -> bool:
        return hmac.compare_digest(authorization.encode(), _basic(USER, self.password).encode())


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
        host = self.headers.get("Host") or ""
        self._send(self.server.api.answer(self.path, self.headers.get("Authorization"), host))

    def do_POST(self) -> None:
        """Give a token."""
        length = self.headers.get("Content-Length") or "0"
        form = self.rfile.read(int(length) if length.isdigit() else 0).decode(errors="replace")
        self._send(self.server.api.token(self.path, self.headers.get("Authorization"), form))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Type" not in answer.headers:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        match answer.delivery:
            case None:
                self.wfile.write(answer.body)
            case Cut(after, reset):
                self.wfile.write(answer.body[:after])
                self._hang_up(reset)
            case Slowly(pieces, seconds):
                step = -(-len(answer.body) // pieces)
                for start in range(0, len(answer.body), step):
                    self.wfile.write(answer.body[start : start + step])
                    time.sleep(seconds / pieces)
            case Silent(after, over):
                self.wfile.write(answer.body[:after])
                while not over.wait(_GLANCE_SECONDS) and not self._client_gone():
                    pass
                self._hang_up(reset=False)

    def _client_gone(self) -> bool:
        if not select.select([self.connection], [], [], 0)[0]:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _hang_up(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            # With no time to linger, close() sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                self.connection.close()
        else:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: stderr belongs to whoever runs us."""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _refused(authorization: str | None) -> Answer:
    if (authorization or "").startswith("Bearer "):
        # https://www.rfc-editor.org/rfc/rfc6750#section-3.1
        headers = {"WWW-Authenticate": 'Bearer realm="vendor", error="invalid_token"'}
        return _json(HTTPStatus.UNAUTHORIZED, {"error": "the token is expired or unknown"}, headers)
    headers = {"WWW-Authenticate": 'Basic realm="vendor"'}
    return _json(HTTPStatus.UNAUTHORIZED, {"error": "wrong user or password"}, headers)


def _json(status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), headers or {})
