"""A package index on this machine: a real HTTP server that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = "application/vnd.pypi.simple.v1+json"
Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Served:
    """What is served, and what was asked for."""

    url: str = ""
    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def json(self, package: str, *files: dict[str, object], **more: object) -> None:
        """A PEP 691 page."""
        page = {"meta": {"api-version": "1.1"}, "name": package, "files": list(files), **more}
        self.raw(package, json.dumps(page).encode(), JSON)

    def html(self, package: str, body: str, kind: str = "text/html; charset=utf-8") -> None:
        """A PEP 503 page."""
        self.raw(package, f"<!DOCTYPE html><html><body>{body}</body></html>".encode(), kind)

    def raw(self, package: str, body: bytes, kind: str = JSON, status: int = 200, **headers: str) -> None:
        def answer(to: BaseHTTPRequestHandler) -> None:
            to.send_response(status)
            to.send_header("Content-Type", kind)
            for name, value in headers.items():
                to.send_header(name.replace("_", "-"), value)
            to.end_headers()
            to.wfile.write(body)

        self.pages[package] = answer


def file(version: str, package: str = "toy", **more: object) -> dict[str, object]:
    """A wheel for any platform, as PEP 691 lists it."""
    name = f"{package}-{version}-py3-none-any.whl"
    return {"filename": name, "url": name, "hashes": {}} | {
        key.replace("_", "-"): v for key, v in more.items()
    }


@contextmanager
def package_index() -> Iterator[Served]:
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, {name.title(): said for name, said in self.headers.items()}))
            page = served.pages.get(self.path.rstrip("/").rpartition("/")[2])
            if page is None:
                self.send_error(404)
                return
            page(self)

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
