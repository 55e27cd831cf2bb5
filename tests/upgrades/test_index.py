"""An index is asked over HTTP: what counts as the newest version, and what a broken one is called."""

from __future__ import annotations

import gzip
import socket
import threading
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.pipeline.upgrades.choice import (
    Here,
    Newest,
    PassedOver,
    ReleaseFile,
    here,
    newest,
)
from certification_pipeline.pipeline.upgrades.configured import configured_index
from certification_pipeline.pipeline.upgrades.index import PackageIndexError, SimpleIndex
from certification_pipeline.settings import SettingsError
from tests.upgrades.serving import Served, file


def test_the_newest_version_is_not_the_last_in_the_alphabet(index: Served) -> None:
    index.json("toy", file("1.9.0"), file("1.10.0"), file("1.2.0"))
    assert SimpleIndex(index.url)("toy") == Newest("1.10.0")
    ((path, headers),) = index.asked
    assert path == "/simple/toy/"
    assert headers["Accept"].startswith("application/vnd.pypi.simple.v1+json")


def test_what_would_not_be_installed_is_passed_over_with_the_reason(index: Served) -> None:
    index.json(
        "toy",
        file("1.0"),
        file("1.1", yanked="loses rows"),
        file("1.2", yanked=True),
        file("1.3rc1"),
        file("1.4.dev3"),
        file("1.5", requires_python=">=4"),
        {"filename": "toy-1.6-cp311-cp311-win32.whl", "url": "x", "hashes": {}},
    )
    found = SimpleIndex(index.url)("toy")
    assert found.version == "1.0"
    reasons = {one.version: one.reason for one in found.passed_over}
    assert list(reasons) == ["1.6", "1.5", "1.4.dev3", "1.3rc1", "1.2", "1.1"]
    assert reasons["1.6"] == "has no file for this platform"
    assert reasons["1.5"].startswith("needs Python >=4, this is 3.11.0")
    assert reasons["1.4.dev3"] == reasons["1.3rc1"] == "pre-release"
    assert reasons["1.2"] == "yanked, no reason given"
    assert reasons["1.1"] == "yanked: loses rows"


def test_a_version_is_yanked_only_when_all_its_files_are(index: Served) -> None:
    source = {"filename": "toy-2.0.tar.gz", "url": "x", "hashes": {}}
    index.json("toy", file("1.0"), file("2.0", yanked="bad wheel"), source)
    assert SimpleIndex(index.url)("toy").version == "2.0"


@pytest.mark.parametrize("kind", ["text/html", "application/vnd.pypi.simple.v1+html"])
def test_html_says_the_same(index: Served, kind: str) -> None:
    index.html(
        "my-toy",
        """<a href="../x#sha256=1" data-requires-python="&gt;=3.8">my_toy-1.0-py3-none-any.whl</a><br/>
        <a href="x" data-yanked="loses &amp; duplicates">my_toy-1.1-py3-none-any.whl</a>
        <a href="x" data-requires-python="&gt;=4">my_toy-1.2.tar.gz</a> <a href="x">README</a>""",
        kind,
    )
    found = SimpleIndex(index.url + "/")("My.Toy")
    assert found.version == "1.0"
    assert [one.version for one in found.passed_over] == ["1.2", "1.1"]
    assert found.passed_over[1] == PassedOver("1.1", "yanked: loses & duplicates")
    assert index.asked[0][0] == "/simple/my-toy/"


def test_a_package_of_pre_releases_alone_has_no_version(index: Served) -> None:
    index.json("toy", file("1.0a1"), {"filename": "ancient.exe", "url": "x", "hashes": {}})
    assert SimpleIndex(index.url)("toy") == Newest(None, (PassedOver("1.0a1", "pre-release"),))


def test_credentials_are_sent_and_never_told(index: Served) -> None:
    index.raw("toy", b"", status=500)
    url = index.url.replace("//", "//reader:s3cret%2Fword@")
    with pytest.raises(PackageIndexError) as caught:
        SimpleIndex(url)("toy")
    assert index.asked[0][1]["Authorization"] == "Basic cmVhZGVyOnMzY3JldC93b3Jk"
    assert "s3cret" not in f"{caught.value}{caught.value!r}"


def test_a_redirect_to_another_host_does_not_take_the_credentials_along(index: Served) -> None:
    index.raw("toy", b"", status=302, Location=index.url.replace("127.0.0.1", "localhost") + "/other/")
    index.json("other", file("1.0"))
    assert SimpleIndex(index.url.replace("//", "//reader:s3cretword@"))("toy").version == "1.0"
    assert ["Authorization" in headers for _, headers in index.asked] == [True, False]


GARBAGE: list[tuple[bytes, str, str]] = [
    (b"<html>", "application/vnd.pypi.simple.v1+json", "Invalid JSON"),
    (b'{"meta": {}}', "application/vnd.pypi.simple.v1+json", "files: Field required"),
    (b'{"meta": {}, "files": [{"filename": 3}]}', "application/vnd.pypi.simple.v1+json", "files.0.filename"),
    (b'{"meta": {"api-version": "2.0"}, "files": []}', "application/vnd.pypi.simple.v1+json", "version 2.0"),
    (b"\xff\x00 nothing", "text/html", "no page of links"),
    (b'<meta name="pypi:repository-version" content="9.1">', "text/html", "version 9.1"),
    (b"%PDF", "application/pdf", "application/pdf"),
    (b"{}", "", "no content type"),
]


@pytest.mark.parametrize(("body", "kind", "words"), GARBAGE)
def test_garbage_is_called_what_it_is(index: Served, body: bytes, kind: str, words: str) -> None:
    index.raw("toy", body, kind)
    with pytest.raises(PackageIndexError, match=words) as caught:
        SimpleIndex(index.url)("toy")
    assert "toy" in caught.value.message
    assert caught.value.remedy


def test_an_absent_package_and_a_failing_index_are_told_apart(index: Served) -> None:
    with pytest.raises(PackageIndexError, match="has no package toy"):
        SimpleIndex(index.url)("toy")
    index.raw("toy", b"", status=503)
    with pytest.raises(PackageIndexError, match="status 503"):
        SimpleIndex(index.url)("toy")


def test_an_index_that_is_down_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PackageIndexError, match="cannot be reached for toy"):
        SimpleIndex(f"http://127.0.0.1:{port}/simple")("toy")


def test_a_slow_page_is_given_up(index: Served) -> None:
    gone = threading.Event()

    def drip(to: BaseHTTPRequestHandler) -> None:
        to.send_response(200)
        to.send_header("Content-Type", "text/html")
        to.end_headers()
        try:
            while not gone.wait(0.01):  # never still long enough for a socket's timeout, and never done
                to.wfile.write(b"<")
        except OSError:
            pass

    index.pages["toy"] = drip
    try:
        with pytest.raises(PackageIndexError, match=r"takes longer than 0\.2 s"):
            SimpleIndex(index.url, seconds=0.2)("toy")
    finally:
        gone.set()


def test_a_silent_index_is_given_up(index: Served) -> None:
    gone = threading.Event()
    index.pages["toy"] = lambda to: (gone.wait(30), None)[1]
    try:
        with pytest.raises(PackageIndexError, match="cannot be reached for toy"):
            SimpleIndex(index.url, seconds=0.2)("toy")
    finally:
        gone.set()


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_page_is_not_read_to_its_end(index: Served, packed: bool) -> None:
    body = b" " * (2 << 20)
    encoding = {"Content_Encoding": "gzip"} if packed else {}
    index.raw("toy", gzip.compress(body) if packed else body, **encoding)
    with pytest.raises(PackageIndexError, match="more than 1048576 bytes"):
        SimpleIndex(index.url, largest=1 << 20)("toy")


def test_a_packed_page_is_read(index: Served) -> None:
    index.raw(
        "toy",
        gzip.compress(b'{"meta": {}, "files": [{"filename": "toy-1.0.tar.gz"}]}'),
        Content_Encoding="gzip",
    )
    assert SimpleIndex(index.url)("toy").version == "1.0"


def test_redirects_without_end_are_given_up(index: Served) -> None:
    index.raw("toy", b"", status=302, Location="/simple/toy/")
    with pytest.raises(PackageIndexError, match="redirects"):
        SimpleIndex(index.url)("toy")


@pytest.mark.parametrize(
    "url", ["ftp://x/simple", "simple", "https://", "http://x:port/simple", "file:///etc"]
)
def test_an_address_that_is_none_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CERTIFY_INDEX_URL", url)
    with pytest.raises(SettingsError, match="CERTIFY_INDEX_URL"):
        configured_index()


VERSIONS = st.tuples(*(st.integers(0, 30),) * 3).map(lambda parts: ".".join(map(str, parts)))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(VERSIONS, st.sampled_from(["", "rc1", ".dev1"]), st.sampled_from([None, "", "bad"])),
        max_size=12,
    )
)
def test_whatever_there_is_the_choice_is_its_highest_final_living_version(
    found: list[tuple[str, str, str | None]],
) -> None:
    files = [ReleaseFile(f"toy-{v}{pre}.tar.gz", None, yanked) for v, pre, yanked in found]
    chosen = newest(files, Here(("3.11.0",), here().tags))
    living = {tuple(map(int, v.split("."))) for v, pre, yanked in found if not pre and yanked is None}
    assert chosen.version == (".".join(map(str, max(living))) if living else None)
    named = [one.version for one in chosen.passed_over]
    assert len(set(named)) == len(named)
