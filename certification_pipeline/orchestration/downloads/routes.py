"""``/evidence/…``: GET and HEAD, nothing else; what is sent cannot act on the pages it lies beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.exports.ctrf import ctrf_json
from certification_pipeline.evidence.exports.junit import junit_xml
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.exported import exported
from certification_pipeline.orchestration.downloads import pages
from certification_pipeline.orchestration.downloads.archive import zipped
from certification_pipeline.orchestration.downloads.files import CHUNK, Found, RefusedError, read, segments
from certification_pipeline.orchestration.names import EVIDENCE

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LISTED = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_SANDBOXED = (
    f"sandbox allow-scripts allow-popups allow-downloads; {_LISTED}; "
    "script-src 'unsafe-inline'; img-src data:"
)
"""For evidence itself. Its script runs in an origin of its own and may ask nobody: Dagster, on this port,
starts runs for whoever asks, and a report that somebody edited must not be the one who does."""
_ALLOW = {"Allow": "GET, HEAD"}


def evidence_routes(root: Callable[[], Path]) -> list[BaseRoute]:
    """The routes below one mount; ``root`` is asked each time, where all evidence lies."""

    async def answer(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _text(
                HTTPStatus.METHOD_NOT_ALLOWED, "evidence is read here, and written by certify", _ALLOW
            )
        try:
            return await run_in_threadpool(_answer, request, root())
        except RefusedError as refused:
            return HTMLResponse(
                pages.refused_page(str(refused)),
                refused.status,
                {**_ALWAYS, "Content-Security-Policy": _LISTED},
            )

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    bare = Route(EVIDENCE, lambda request: RedirectResponse(f"{request.scope['root_path']}{EVIDENCE}/"))
    return [bare, Mount(EVIDENCE, routes=[Route("/{path:path}", answer, methods=methods)])]


def _answer(request: Request, root: Path) -> Response:
    path = str(request.path_params["path"])
    kind, _, rest = path.partition("/")
    if made := _MADE.get(kind):
        return made(request, root, rest)
    parts = segments(path)
    return _lying(request, root, parts) if parts else _page(pages.releases_page(root))


def _lying(request: Request, root: Path, parts: tuple[str, ...]) -> Response:
    """What lies below the root: a file, or a directory with its page."""
    found = read(root, parts)
    if isinstance(found, Found):
        return _file(request, found, parts)
    if not request.url.path.endswith("/"):
        return RedirectResponse(request.url.path + "/", headers=_ALWAYS)
    if parts[0] == layout.RELEASES and len(parts) == 2:  # noqa: PLR2004 - releases/<id>
        return _page(pages.release_page(root, parts[1], found))
    return _page(pages.directory_page(parts, found))


def _file(request: Request, found: Found, parts: tuple[str, ...]) -> Response:
    tag = f'"sha256-{found.sha256}"'
    headers = {
        **_ALWAYS,
        "ETag": tag,
        "Content-Security-Policy": _SANDBOXED,
        "Content-Disposition": _disposition(request, "-".join(parts[1:]) or parts[0], found.name),
    }
    if tag in _asked_tags(request):
        found.file.close()
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= {"Content-Type": found.content_type, "Content-Length": str(found.size)}
    if request.method == "HEAD":
        found.file.close()
        return Response(headers=headers)
    return StreamingResponse(_pieces(found), headers=headers)


def _pieces(found: Found) -> Iterator[bytes]:
    with found.file as file:
        left = found.size  # what was digested: a file that grows meanwhile is sent as it was
        while left and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk


def _asked_tags(request: Request) -> list[str]:
    given = request.headers.get("if-none-match", "")
    return [tag.strip().removeprefix("W/") for tag in given.split(",")]


def _disposition(request: Request, whole: str, name: str) -> str:
    """Shown in the browser, or saved under a name that still tells release and engine."""
    if request.query_params.get("download"):
        return f'attachment; filename="{_plain(whole)}"'
    return f'inline; filename="{_plain(name)}"'


def _plain(name: str) -> str:
    return re.sub(r"[^ !#-\[\]-~]", "_", name)  # printable ASCII without quote and backslash


def _archive(request: Request, root: Path, name: str) -> Response:
    release_id = _release(name, ".zip")
    headers = {
        **_ALWAYS,
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{_plain(name)}"',
    }
    pieces = zipped(root, release_id)
    return (
        Response(headers=headers) if request.method == "HEAD" else StreamingResponse(pieces, headers=headers)
    )


_EXPORTS = {".junit.xml": "application/xml", ".ctrf.json": "application/json"}


def _export(request: Request, root: Path, name: str) -> Response:
    """Recomputed each time: an export says what the evidence is worth now."""
    suffix = next((one for one in _EXPORTS if name.endswith(one)), "")
    release_id = _release(name, suffix)
    store, made = EvidenceStore(root), stamp(uuid4().hex)
    try:
        subjects = [exported(store.release(release_id, engine), made) for engine in store.engines(release_id)]
    except EvidenceError as error:
        raise RefusedError(HTTPStatus.NOT_FOUND, str(error)) from None
    if not subjects:
        raise RefusedError(HTTPStatus.NOT_FOUND, f"release {release_id!r} has no evidence")
    data = junit_xml(subjects) if suffix == ".junit.xml" else ctrf_json(subjects, made)
    headers = {
        **_ALWAYS,
        "Content-Security-Policy": _SANDBOXED,
        "Content-Disposition": _disposition(request, name, name),
    }
    return Response(data, headers=headers, media_type=_EXPORTS[suffix])


_MADE = {"archives": _archive, "exports": _export}
"""What lies nowhere and is made when it is asked for."""


def _release(name: str, suffix: str) -> str:
    release_id = name.removesuffix(suffix)
    if not suffix or not name.endswith(suffix) or len(segments(f"{layout.RELEASES}/{release_id}")) != 2:  # noqa: PLR2004
        raise RefusedError(HTTPStatus.NOT_FOUND, f"there is no {name[:120]!r} here")
    return release_id


def _page(html: str) -> Response:
    return HTMLResponse(html, headers={**_ALWAYS, "Content-Security-Policy": _LISTED})


def _text(status: HTTPStatus, message: str, more: dict[str, str]) -> Response:
    return Response(f"{message}\n", status, {**_ALWAYS, **more}, media_type="text/plain")
