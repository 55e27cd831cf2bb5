"""A package index read by its simple API: PEP 691 JSON, or PEP 503 HTML where it speaks no JSON.

Whatever it answers is foreign input: size, time and redirects are limited, and nothing of it is executed.
"""

from __future__ import annotations

import re
import time
import urllib.request
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import urllib3
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from certification_pipeline.pipeline.upgrades.choice import Newest, ReleaseFile, newest
from certification_pipeline.redaction import Redactor

LARGEST = 32 << 20
"""Bytes of a page. The longest of the public index have five million; more is an accident or an attack."""
SECONDS = 20.0
"""For a whole page, however slowly it comes."""
_CONNECT = 5.0
_CHUNK = 1 << 16
_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html")
_ACCEPT = f"{_JSON}, {_HTML[0]};q=0.2, {_HTML[1]};q=0.1"
_REMEDY = "check CERTIFY_INDEX_URL: the address of a simple index, as in https://HOST/simple"
_NOT_FOUND = 404
_OK = 200


class PackageIndexError(Exception):
    """An index, or its client, said nothing that can be used; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}"


class SimpleIndex:
    """An index by its address, credentials in it included; call it with a package's name."""

    def __init__(self, url: str, *, seconds: float = SECONDS, largest: int = LARGEST) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PackageIndexError("CERTIFY_INDEX_URL is no http(s) address", _REMEDY)
        try:
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            raise PackageIndexError("CERTIFY_INDEX_URL names a port that is none", _REMEDY) from None
        self._seconds, self._largest = seconds, largest
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._base = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
        self._redactor = Redactor([unquote(parts.password)] if parts.password else [])
        self._headers = {"Accept": _ACCEPT, "User-Agent": "certification_pipeline"}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers |= urllib3.make_headers(basic_auth=login)

    def __call__(self, package: str) -> Newest:
        """What the index has of the package. Raises :class:`PackageIndexError`."""
        body, kind = self._page(package)
        if kind == _JSON:
            files = _from_json(body, package)
        elif kind in _HTML:
            files = _from_html(body, package)
        else:
            raise PackageIndexError(
                f"the index answers for {package} with {kind or 'no content type'}", _REMEDY
            )
        return newest(files)

    def _page(self, package: str) -> tuple[bytes, str]:
        name = re.sub(r"[-_.]+", "-", package).lower()
        url = f"{self._base}/{quote(name)}/"
        until = time.monotonic() + self._seconds
        try:
            with _pool(url) as pool:
                answer = pool.request(
                    "GET",
                    url,
                    headers=self._headers,
                    preload_content=False,
                    timeout=urllib3.Timeout(connect=min(_CONNECT, self._seconds), read=self._seconds),
                    retries=urllib3.Retry(total=5, connect=1, read=0, status=0, other=0, redirect=4),
                )
                if answer.status == _NOT_FOUND:
                    raise PackageIndexError(
                        f"the index has no package {package}", "correct the name in the catalogue"
                    )
                if answer.status != _OK:
                    raise PackageIndexError(
                        f"the index answers for {package} with status {answer.status}", _REMEDY
                    )
                body = self._read(answer, package, until)
        except urllib3.exceptions.HTTPError as error:
            said = self._redactor.redact_text(str(getattr(error, "reason", None) or error))
            raise PackageIndexError(
                f"the index cannot be reached for {package}: {said[:200]}", _REMEDY
            ) from None
        return body, answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def _read(self, answer: urllib3.BaseHTTPResponse, package: str, until: float) -> bytes:
        body = bytearray()
        # What has arrived, not full pieces: one that sends a byte a minute must not hold us.
        while piece := answer.read1(_CHUNK, decode_content=True):
            body += piece
            if len(body) > self._largest:
                raise PackageIndexError(
                    f"the index's page of {package} has more than {self._largest} bytes", _REMEDY
                )
            if time.monotonic() > until:
                said = f"the index's page of {package} takes longer than {self._seconds:g} s"
                raise PackageIndexError(said, "try again later")
        return bytes(body)


def _pool(url: str) -> urllib3.PoolManager:
    """With the proxy the environment names, as ordinary clients."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy)
    return urllib3.PoolManager()


class _File(BaseModel):
    """PEP 691, with PEP 700: what else a file says is left alone."""

    model_config = ConfigDict(extra="ignore")

    filename: str
    requires_python: str | None = Field(None, alias="requires-python")
    yanked: bool | str = False


class _Page(BaseModel):
    model_config = ConfigDict(extra="ignore")

    meta: dict[str, Any]
    files: list[_File]


def _from_json(body: bytes, package: str) -> list[ReleaseFile]:
    try:
        page = _Page.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the page"
        raise PackageIndexError(
            f"the index's page of {package} is wrong: {where}: {first['msg']}", _REMEDY
        ) from None
    _readable(str(page.meta.get("api-version", "1.0")), package)
    return [
        ReleaseFile(
            file.filename,
            file.requires_python,
            (file.yanked if isinstance(file.yanked, str) else "") if file.yanked is not False else None,
        )
        for file in page.files
    ]


def _from_html(body: bytes, package: str) -> list[ReleaseFile]:
    reader = _Anchors()
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    _readable(reader.version, package)
    if not reader.files and not reader.is_page:
        raise PackageIndexError(f"the index's page of {package} is no page of links", _REMEDY)
    return reader.files


def _readable(version: str, package: str) -> None:
    """PEP 629: another major version must not be guessed at."""
    if version.partition(".")[0] != "1":
        raise PackageIndexError(
            f"the index's page of {package} is of version {version[:20]}; known is 1", _REMEDY
        )


class _Anchors(HTMLParser):
    """PEP 503: an anchor a file, its text the file's name."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.files: list[ReleaseFile] = []
        self.version = "1.0"
        self.is_page = False
        self._open: dict[str, str | None] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An anchor begins, or the page says its version."""
        given = dict(attrs)
        self.is_page = self.is_page or tag in ("html", "body", "a")
        if tag == "a":
            self._open, self._text = given, ""
        elif tag == "meta" and given.get("name") == "pypi:repository-version":
            self.version = given.get("content") or ""

    def handle_data(self, data: str) -> None:
        """Text inside of an anchor is a file's name."""
        if self._open is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        """An anchor ends."""
        if tag == "a" and self._open is not None:
            yanked = (self._open["data-yanked"] or "") if "data-yanked" in self._open else None
            self.files.append(ReleaseFile(self._text.strip(), self._open.get("data-requires-python"), yanked))
            self._open = None
