"""Events over HTTP, against a real receiver that is busy, broken, picky or gone."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.families.openlineage import emission
from certification_pipeline.families.openlineage.emission import API_KEY_VARIABLE, Receiver
from certification_pipeline.families.openlineage.errors import EmissionError
from tests.openlineage.releases import events, exported, release, verified

KEY = "a-very-secret-key"


class Marquez:
    """Takes ``POST /api/v1/lineage``; ``answer`` says with which status, from how many came before."""

    def __init__(self, answer: Callable[[int], int]) -> None:
        self.taken: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.asked = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = answer(receiver.asked)
                receiver.asked += 1
                receiver.keys.add(self.headers.get("Authorization"))
                if status < 300 and self.path == "/api/v1/lineage":
                    receiver.taken.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def marquez(answer: Callable[[int], int] = lambda _: 201) -> Iterator[Marquez]:
    made = Marquez(answer)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(API_KEY_VARIABLE, raising=False)
    monkeypatch.setitem(emission._RETRY, "backoff_factor", 0)


def test_a_receiver_gets_every_event_as_it_stands_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)
    directory = release(tmp_path)
    with marquez() as receiver:
        report = exported(directory, receiver=Receiver(receiver.url))
    assert receiver.taken == events(directory)
    assert receiver.keys == {f"Bearer {KEY}"}
    assert report.emission is not None
    assert report.emission.emitted == report.event_count == 12
    assert verified(directory).problems == ()
    written = b"".join(path.read_bytes() for path in directory.path.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert receiver.url.encode() not in written


def test_a_busy_receiver_is_asked_again(tmp_path: Path) -> None:
    directory = release(tmp_path)
    with marquez(lambda asked: 503 if asked in (0, 1, 5) else 200) as receiver:
        report = exported(directory, receiver=Receiver(receiver.url))
    assert receiver.taken == events(directory)
    assert report.emission is not None
    assert receiver.asked == report.emission.emitted + 3


@pytest.mark.parametrize(
    ("status", "said"), [(500, "RetryError"), (404, "answered 404"), (401, "answered 401")]
)
def test_a_receiver_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    monkeypatch.setenv(API_KEY_VARIABLE, KEY)
    directory = release(tmp_path)
    with (
        marquez(lambda asked: 200 if asked < 2 else status) as receiver,
        pytest.raises(EmissionError) as error,
    ):
        exported(directory, receiver=Receiver(receiver.url))
    assert said in str(error.value)
    assert "took 2 of 12 events" in str(error.value)
    assert KEY not in str(error.value)
    if status == 401:
        assert API_KEY_VARIABLE in error.value.remedy
    _whole_and_not_emitted(directory.path)


def test_a_dead_receiver(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    directory = release(tmp_path)
    with pytest.raises(EmissionError, match="does not answer as it should"):
        exported(directory, receiver=Receiver(url))
    _whole_and_not_emitted(directory.path)


@pytest.mark.parametrize(
    "url",
    [
        "marquez:5000",
        "ftp://marquez",
        "http://",
        "",
        f"http://me:{KEY}@marquez:5000",
        "http://[::1",
        "http://marquez:x",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(EmissionError) as error:
        Receiver(url)
    assert KEY not in str(error.value)


def _whole_and_not_emitted(path: Path) -> None:
    text = (path / layout.FAMILY_ARTIFACTS[_FAMILY]).read_text()
    report = OpenLineageReport.model_validate_json(text)
    assert (report.outcome, report.emission) == (Outcome.PASSED, None)


_FAMILY = next(family for family in layout.FAMILY_ARTIFACTS if family.value == "openlineage")
