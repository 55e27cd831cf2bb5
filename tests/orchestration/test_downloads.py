"""Evidence over HTTP: what comes, how it is sent, and what never leaves the evidence root."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.orchestration.downloads.files import Found, RefusedError, read, segments
from certification_pipeline.orchestration.downloads.routes import evidence_routes
from tests.report.on_disk import few, write_release

SECRET = b"nobody may read this"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Site:
    """A real server over real evidence, with a file beside the root that must stay there."""

    def __init__(self, place: Path) -> None:
        self.root = place / "evidence"
        write_release(self.root, "reference", release_id="r1", takes=few)
        write_release(self.root, "dlt", release_id="r1", takes=few, keep=lambda cell: False)
        self.release = EvidenceStore(self.root).release_path("r1")
        (self.release / "report.html").write_text("<!doctype html><title>r1</title><script>1</script>")
        (place / "outside.json").write_bytes(SECRET)
        (self.root / "cache").mkdir()
        (self.root / "cache" / "kept.json").write_bytes(SECRET)
        everything = Route("/{path:path}", lambda request: PlainTextResponse("dagster"))
        app = Starlette(routes=[*evidence_routes(lambda: self.root), everything])
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, args=([listening],), daemon=True)
        self.thread.start()

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """The path exactly as given: no client tidies it up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.server.should_exit = True
    made.thread.join()


# --- what comes ------------------------------------------------------------------------------------------


def test_from_the_first_page_to_the_release_summary_by_links(site: Site) -> None:
    first = site.get("/evidence/").body.decode()
    assert '<a href="releases/r1/">r1</a> <b>latest</b>' in first
    assert "✓ passed</span> reference" in first
    assert "✗ failed</span> dlt" in first
    release = site.get("/evidence/releases/r1/").body.decode()
    for link in (
        "reference/release_summary.json",
        "reference/release_summary.md",
        "reference/certification_suite.json",
        "reference/certification_report.json",
        "report.html",
        "../../archives/r1.zip",
        "../../exports/r1.junit.xml",
        "../../exports/r1.ctrf.json",
    ):
        assert f'<a href="{link}">' in release
    assert site.get("/evidence").status == 307
    assert site.get("/evidence/releases/r1").headers["location"] == "/evidence/releases/r1/"
    assert site.get("/elsewhere").body == b"dagster"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("reference/release_summary.json", "application/json"),
        ("reference/release_summary.md", "text/markdown; charset=utf-8"),
        ("report.html", "text/html; charset=utf-8"),
    ],
)
def test_a_file_comes_whole_with_its_digest_as_tag(site: Site, path: str, kind: str) -> None:
    data = (site.release / path).read_bytes()
    answer = site.get(f"/evidence/releases/r1/{path}")
    assert (answer.status, answer.body) == (200, data)
    assert answer.headers["content-type"] == kind
    assert answer.headers["etag"] == f'"sha256-{hashlib.sha256(data).hexdigest()}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == f'inline; filename="{Path(path).name}"'
    again = site.get(f"/evidence/releases/r1/{path}", if_none_match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    head = site.get(f"/evidence/releases/r1/{path}", "HEAD")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(data)))


def test_a_download_is_named_after_release_and_engine(site: Site) -> None:
    answer = site.get("/evidence/releases/r1/reference/release_summary.json?download=1")
    named = 'attachment; filename="r1-reference-release_summary.json"'
    assert answer.headers["content-disposition"] == named


def test_evidence_may_not_act_on_dagster_which_answers_on_the_same_port(site: Site) -> None:
    rules = site.get("/evidence/releases/r1/report.html").headers["content-security-policy"]
    words = rules.split("; ")
    assert words[0].startswith("sandbox ")
    assert "allow-same-origin" not in words[0]
    assert "allow-forms" not in words[0]
    assert "default-src 'none'" in words
    assert not any(word.startswith("connect-src") for word in words)


def test_the_archive_is_the_release_and_its_chains(site: Site) -> None:
    answer = site.get("/evidence/archives/r1.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        lying = {str(p.relative_to(site.root)) for p in site.release.rglob("*") if p.is_file()}
        assert {name for name in names if name.startswith("releases/")} == lying
        assert any(name.startswith("chain/reference/") for name in names)
        summary = "releases/r1/reference/release_summary.json"
        assert archive.read(summary) == (site.root / summary).read_bytes()
    assert site.get("/evidence/archives/r1.zip", "HEAD").body == b""


def test_exports_are_made_of_the_evidence_as_it_is(site: Site) -> None:
    junit = ElementTree.fromstring(site.get("/evidence/exports/r1.junit.xml").body)
    assert {suite.get("name", "").split()[0] for suite in junit.iter("testsuite")} >= {"reference", "dlt"}
    ctrf = json.loads(site.get("/evidence/exports/r1.ctrf.json").body)
    assert ctrf["results"]["summary"]["failed"] > 0


# --- what does not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/evidence/../outside.json",
        "/evidence/..%2foutside.json",
        "/evidence/%2e%2e/outside.json",
        "/evidence/releases/..%2f..%2f..%2foutside.json",
        "/evidence/releases/r1/../../../outside.json",
        "/evidence//etc/passwd",
        "/evidence/%2fetc%2fpasswd",
        "/evidence/releases/..%5c..%5coutside.json",
        "/evidence/releases/r1%00/report.html",
        "/evidence/cache/kept.json",
        "/evidence/releases/.hidden/x.json",
        "/evidence/archives/..%2foutside.zip",
        "/evidence/archives/r1",
        "/evidence/exports/..%2f..%2foutside.json",
        "/evidence/exports/r1.html",
        "/evidence/exports/none.junit.xml",
        "/evidence/archives/none.zip",
        "/evidence/releases/none/",
        "/evidence/releases/r1/reference/cells/none.json",
    ],
)
def test_nothing_but_evidence_is_answered(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status in (403, 404)
    assert SECRET not in answer.body
    assert b"root:" not in answer.body
    assert b"<h1>Not here</h1>" in answer.body


def test_links_pipes_keys_and_other_files_are_refused_and_not_listed(site: Site, tmp_path: Path) -> None:
    place = site.release / "reference"
    (tmp_path / "outside.json").write_bytes(SECRET)
    (place / "link.json").symlink_to(tmp_path / "outside.json")
    (place / "linked").symlink_to(tmp_path)
    os.mkfifo(place / "pipe.json")
    (place / "signing.pem").write_text("x")
    (place / ".env").write_text("x")
    pem = f"{'x' * 65_530}\n-----BEGIN PRIVATE KEY-----\nMC4\n-----END PRIVATE KEY-----\n"
    (place / "key.txt").write_text(pem)
    try:
        base = "/evidence/releases/r1/reference/"
        told = {
            name: site.get(base + name)
            for name in ("link.json", "linked/outside.json", "pipe.json", "signing.pem", ".env", "key.txt")
        }
        assert {name: answer.status for name, answer in told.items()} == dict.fromkeys(told, 403)
        assert all(SECRET not in answer.body for answer in told.values())
        assert b"symbolic link" in told["link.json"].body
        assert b"private key" in told["key.txt"].body
        listed = site.get(base).body.decode()
        for name in ("link.json", "linked", "pipe.json", "signing.pem", ".env"):
            assert name not in listed
        archive = zipfile.ZipFile(io.BytesIO(site.get("/evidence/archives/r1.zip").body))
        assert not any(
            name.endswith(("link.json", "outside.json", ".pem", "key.txt")) for name in archive.namelist()
        )
    finally:
        for name in ("link.json", "linked", "pipe.json", "signing.pem", ".env", "key.txt"):
            (place / name).unlink()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_is_read_only(site: Site, method: str) -> None:
    answer = site.get("/evidence/releases/r1/report.html", method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_name_in_evidence_is_text_in_a_page(site: Site) -> None:
    made = site.release / "reference" / "<img src=x>.json"
    made.write_text("{}")
    try:
        page = site.get("/evidence/releases/r1/reference/").body.decode()
    finally:
        made.unlink()
    assert "<img" not in page
    assert quote(made.name) in page


def test_what_a_summary_says_is_text_in_a_page(site: Site) -> None:
    """Anybody who can write a file below the root may have written it."""
    hostile = "<script>fetch('/graphql')</script>"
    summary = site.release / "dlt" / "release_summary.json"
    before = summary.read_bytes()
    summary.write_text(json.dumps({"outcome": hostile, "subject": {"version": hostile}}))
    try:
        pages = [site.get(path).body.decode() for path in ("/evidence/", "/evidence/releases/r1/")]
    finally:
        summary.write_bytes(before)
    for page in pages:
        assert "<script" not in page
        assert page.count("&lt;script&gt;") == 2


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "", "releases", "r1", "/", "\\", "a"])).map("/".join)
)
def test_no_path_leaves_the_root(site: Site, path: str) -> None:
    try:
        found = read(site.root, segments(path))
    except RefusedError:
        return
    if isinstance(found, Found):
        with found.file as file:
            assert file.read() != SECRET
    else:
        assert "outside.json" not in {entry.name for entry in found}
