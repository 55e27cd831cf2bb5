"""A vendor's API over HTTP: a login that is renewed, tries that are counted, waits that are kept.

Every request has an end: so many tries, so many seconds without a byte, so many for a whole page. What is
given up is a :class:`LoadError` that the load does not repeat, for its tries are spent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import tenacity
import urllib3

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError

TRIES = 5
"""Of one request; the catalogue says so, too (``engines/reference.yaml``, ``tries``)."""
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
LONGEST_ASKED_SECONDS = 120.0
"""A vendor who asks for more is not waited for: the load fails, and a scheduler may come again."""
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 3.0
PAGE_SECONDS = 60.0
_OK = 200
_UNAUTHORIZED = 401
_TOO_MANY = 429
_SERVER_ERROR = 500
_BLOCK = 1 << 16

_BY_STATUS = {
    401: FailureCategory.AUTHENTICATION,
    403: FailureCategory.AUTHENTICATION,
    404: FailureCategory.NOT_FOUND,
    408: FailureCategory.CONNECTIVITY,
    410: FailureCategory.NOT_FOUND,
    429: FailureCategory.CONNECTIVITY,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer with status 200."""

    body: bytes
    headers: Mapping[str, str]


class _TryAgain(Exception):  # noqa: N818 - control flow between two tries
    """It may get better by itself; ``error`` is what to say when it does not."""

    def __init__(self, error: LoadError, asked_seconds: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.asked_seconds = asked_seconds


class Vendor:
    """One vendor, one login. Close it, whatever happens."""

    def __init__(self, dsn: str, tenant: str, retried: Callable[[], None], defect: Defect | None) -> None:
        parts = urlsplit(dsn)
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise LoadError(
                FailureCategory.CONFIGURATION, "an API's DSN is http(s)://user:password@host:port"
            )
        port = f":{parts.port}" if parts.port else ""
        self.address = f"{parts.scheme}://{parts.hostname}{port}"
        self._login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        self._token_path = f"/oauth/{quote(tenant, safe='')}/token"
        self._token: str | None = None
        self._retried = retried
        self._defect = defect
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENT_SECONDS)
        )

    def close(self) -> None:
        """End its connections."""
        self._pool.clear()

    def get(self, target: str) -> Reply:
        """The page at that path and query; logs in first, and once again when the login has expired."""
        if self._token is None or self._defect is Defect.REFRESH_EVERY_REQUEST:
            self._log_in()
        try:
            return self._trying(lambda: self._once("GET", target, {"Authorization": f"Bearer {self._token}"}))
        except LoadError as error:
            if error.category is not FailureCategory.AUTHENTICATION:
                raise
        self._log_in()
        return self._trying(lambda: self._once("GET", target, {"Authorization": f"Bearer {self._token}"}))

    def _log_in(self) -> None:
        """A token for user and password (RFC 6749, section 4.4)."""
        headers = {
            **urllib3.make_headers(basic_auth=self._login),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        form = urlencode({"grant_type": "client_credentials"})
        reply = self._trying(lambda: self._once("POST", self._token_path, headers, form))
        try:
            self._token = str(json.loads(reply.body)["access_token"])
        except (ValueError, TypeError, KeyError):
            raise LoadError(
                FailureCategory.AUTHENTICATION, "the vendor's answer holds no access_token"
            ) from None

    # --- tries --------------------------------------------------------------------------------------------

    def _trying(self, once: Callable[[], Reply]) -> Reply:
        endless = self._defect is Defect.RETRY_WITHOUT_END
        backoff = tenacity.wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.asked_seconds if isinstance(error, _TryAgain) else None
            if endless:
                return FIRST_WAIT_SECONDS
            if asked is None or self._defect is Defect.IGNORE_RETRY_AFTER:
                return backoff(state)
            return asked

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgain),
            stop=tenacity.stop_never if endless else tenacity.stop_after_attempt(TRIES),
            wait=wait,
            before_sleep=lambda _: self._retried(),
            reraise=True,
        )
        try:
            return retrying(once)
        except _TryAgain as error:
            raise error.error from None

    def _once(self, method: str, target: str, headers: Mapping[str, str], form: str | None = None) -> Reply:
        deadline = time.monotonic() + PAGE_SECONDS
        response: Any = None
        try:
            response = self._pool.request(
                method,
                f"{self.address}{target}",
                body=form,
                headers={**headers, "Accept": "application/json"},
                preload_content=False,
                redirect=False,
            )
            body = self._body(response, deadline)
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            if response is not None:
                response.close()
            raise _TryAgain(_spent(FailureCategory.CONNECTIVITY, f"HTTP: {type(error).__name__}")) from None
        if response.status == _OK:
            return Reply(body, response.headers)
        raise _refusal(response.status, response.headers.get("Retry-After"))

    def _body(self, response: Any, deadline: float) -> bytes:
        blocks: list[bytes] = []
        try:
            while block := response.read1(_BLOCK):
                blocks.append(block)
                if time.monotonic() > deadline:
                    raise urllib3.exceptions.ProtocolError("the page takes too long")
        except urllib3.exceptions.HTTPError:
            if self._defect is not Defect.KEEP_HALF_PAGE:
                raise
        return b"".join(blocks)


def _spent(category: FailureCategory, message: str) -> LoadError:
    return LoadError(category, f"{message}, {TRIES} times in a row", again=False)


def _refusal(status: int, retry_after: str | None) -> LoadError | _TryAgain:
    """What a status other than 200 means (RFC 9110, section 15)."""
    if status not in (408, _TOO_MANY) and status < _SERVER_ERROR:
        category = _BY_STATUS.get(status, FailureCategory.CONFIGURATION)
        return LoadError(category, f"HTTP: the vendor answers {status}")
    asked: float | None = None
    if retry_after is not None:
        try:
            asked = urllib3.Retry().parse_retry_after(retry_after)
        except urllib3.exceptions.InvalidHeader:
            asked = None
    error = _spent(FailureCategory.CONNECTIVITY, f"HTTP: the vendor answers {status}")
    if asked is not None and asked > LONGEST_ASKED_SECONDS:
        return LoadError(error.category, f"HTTP {status}: the vendor asks for {asked:.0f} s", again=False)
    return _TryAgain(error, asked)
