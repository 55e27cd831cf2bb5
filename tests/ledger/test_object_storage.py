"""Against S3-compatible servers that run. Which were tried, and what each honours: docs/ledger.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.opening import open_store
from certification_pipeline.evidence.stores.remote import Conditions, RemoteStore, measure
from certification_pipeline.gates.transfer.pull import pull
from certification_pipeline.gates.transfer.push import push
from certification_pipeline.gates.transfer.remote_chain import RemoteChain
from tests.at_once import at_once
from tests.evidence.builders import ENGINE
from tests.ledger.pushing import PEN
from tests.ledger.releases import files, problems, release
from tests.ledger.s3_servers import BUCKET, free_port, running

pytest.importorskip("obstore")

CHECKOUT = Path(__file__).parents[2]
SECRET = "canary-4f6b2d8e1c"
BOTH, NEITHER = Conditions(create=True, replace=True), Conditions(create=False, replace=False)
HONOURS = {"moto": BOTH, "minio": BOTH, "versitygw": BOTH, "gofakes3": BOTH, "s3rver": NEITHER}


@pytest.fixture(scope="module", params=HONOURS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Name and endpoint."""
    name = request.param
    secret = "S3RVER" if name == "s3rver" else SECRET  # its only account
    with running(name, tmp_path_factory.mktemp(name) / "data", secret) as endpoint:
        yield name, endpoint


def environment(endpoint: str, secret: str = SECRET) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "S3RVER",
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture
def url(server: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A place of its own in the server's bucket."""
    name, endpoint = server
    for key, value in environment(endpoint, "S3RVER" if name == "s3rver" else SECRET).items():
        monkeypatch.setenv(key, value)
    return f"s3://{BUCKET}/{uuid4()}/evidence"


@pytest.fixture
def remote(server: tuple[str, str], url: str) -> RemoteStore:
    if HONOURS[server[0]] == NEITHER:
        pytest.skip("keeps no second writer out")
    return open_store(url)


@pytest.mark.integration
@pytest.mark.nightly
def test_what_the_server_honours_is_what_is_measured(server: tuple[str, str], url: str, root: Path) -> None:
    store = open_store(url)
    expected = HONOURS[server[0]]
    assert measure(store) == expected
    assert list(store.names("probes/")) == []
    if expected == NEITHER:
        with pytest.raises(EvidenceError, match="does not refuse the second of two writers"):
            push(EvidenceStore(root), store, ENGINE, expected)
        assert list(store.names("chain/")) == []
        assert push(EvidenceStore(root), store, ENGINE, expected, single_writer=True).entries == 3


@pytest.mark.integration
@pytest.mark.nightly
def test_of_many_who_write_at_once_one_wins(remote: RemoteStore) -> None:
    """What a probe cannot show: that the condition is looked at and the write is made in one step."""
    with ThreadPoolExecutor(8) as pool:
        for at in range(20):
            key = f"race/{at}"
            assert sum(pool.map(lambda n, key=key: remote.create(key, str(n).encode()), range(8))) == 1
            found = remote.read(key, 99)
            assert found is not None
            won = pool.map(
                lambda n, key=key, seen=found.version: remote.replace(key, f"later {n}".encode(), seen),
                range(8),
            )
            assert sum(won) == 1


@pytest.mark.integration
@pytest.mark.nightly
def test_evidence_goes_there_and_comes_back(remote: RemoteStore, root: Path, tmp_path: Path) -> None:
    store = EvidenceStore(root)
    assert push(store, remote, ENGINE, BOTH).entries == 3
    assert push(store, remote, ENGINE, BOTH).files == 0
    away = EvidenceStore(tmp_path / "away")
    assert pull(remote, away, ENGINE, keys=[PEN.public_key]).size == 3
    there = files(away.root)
    del there["latest"]
    assert there == files(root)
    release(root, "r2", "c", PEN)
    assert push(store, remote, ENGINE, BOTH).entries == 1
    assert pull(remote, away, ENGINE, keys=[PEN.public_key]).releases == ("r2",)
    assert problems(away.root) == []


PROGRAM = """
import os, signal, sys
from pathlib import Path
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.opening import open_store
from certification_pipeline.evidence.stores.remote import Conditions
from certification_pipeline.gates.transfer import push as pushing
here, remote, what = EvidenceStore(Path(sys.argv[1])), open_store(sys.argv[2]), sys.argv[3]
def die(*_, **__):
    print("dying", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
if what != "race":
    setattr(pushing, what, die)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(pushing.push(here, remote, "reference", Conditions(create=True, replace=True)).entries)
except EvidenceError as error:
    print(error.problem)
"""


def start(root: Path, url: str, what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(root), url, what]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)


@pytest.mark.integration
@pytest.mark.nightly
def test_of_two_machines_that_push_at_once_one_wins_and_the_other_is_told(
    remote: RemoteStore, url: str, root: Path, tmp_path: Path
) -> None:
    push(EvidenceStore(root), remote, ENGINE, BOTH)
    machines = [Path(shutil.copytree(root, tmp_path / f"machine{number}")) for number in range(2)]
    for number, machine in enumerate(machines):
        release(machine, f"of-{number}", pen=PEN)
    children = [start(machine, url, "race") for machine in machines]
    said = sorted(at_once(children))
    assert said[0] == "1"
    assert "another entry 4 than the chain here" in said[1]
    away = EvidenceStore(tmp_path / "away")
    assert pull(remote, away, ENGINE, keys=[PEN.public_key]).size == 4
    assert problems(away.root) == []


@pytest.mark.integration
@pytest.mark.nightly
@pytest.mark.parametrize(("at", "there"), [("_append", 0), ("_push_checkpoint", 3)])
def test_a_push_that_was_killed_is_completed(
    *, remote: RemoteStore, url: str, root: Path, tmp_path: Path, at: str, there: int
) -> None:
    child = start(root, url, at)
    assert child.communicate("go\n")[0] == "ready\ndying\n"
    assert RemoteChain(remote, ENGINE).count() == there
    assert push(EvidenceStore(root), remote, ENGINE, BOTH).entries == 3 - there
    away = EvidenceStore(tmp_path / "away")
    assert pull(remote, away, ENGINE, keys=[PEN.public_key]).size == 3
    assert problems(away.root) == []


@pytest.mark.integration
@pytest.mark.nightly
def test_what_the_server_refuses_is_told_without_secrets(
    server: tuple[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server[0] in {"minio", "versitygw"}:  # those that look at signatures
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-canary")
        with pytest.raises(EvidenceError) as caught:
            measure(open_store(url))
        assert caught.value.kind is ProblemKind.REFUSED
        assert "credentials" in caught.value.remedy
        assert "canary" not in str(caught.value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET if server[0] != "s3rver" else "S3RVER")
    with pytest.raises(EvidenceError, match="cannot be") as caught:
        measure(open_store("s3://no-such-bucket-here/x"))
    assert SECRET not in str(caught.value)


# --- without a server --------------------------------------------------------------------------------------


def test_a_store_that_does_not_answer_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in environment(f"http://127.0.0.1:{free_port()}").items():
        monkeypatch.setenv(key, value)
    with pytest.raises(EvidenceError, match="cannot be written") as caught:
        measure(open_store(f"s3://{BUCKET}/x"))
    assert caught.value.kind is ProblemKind.REFUSED
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [f"s3://user:{SECRET}@bucket/x", f"s3://bucket/x?sig={SECRET}", f"https://user:{SECRET}@host/x"]
)
def test_credentials_in_a_url_are_refused_and_not_shown(given: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        open_store(given)
    assert caught.value.kind is ProblemKind.MISSING
    assert SECRET not in str(caught.value)


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(EvidenceError, match=r"pip install 'certification_pipeline\[stores\]'") as caught:
        open_store("s3://bucket/x")
    assert caught.value.kind is ProblemKind.MISSING


@pytest.mark.parametrize("key", ["../x", "a/../b", "/a", "a//b", "a/", "", "a\0b", "ä", "a/.b", "x" * 600])
def test_a_name_that_leads_out_is_never_a_key(tmp_path: Path, key: str) -> None:
    for store in (open_store(str(tmp_path)), open_store(f"file://{tmp_path}")):
        with pytest.raises(EvidenceError, match="no name of evidence"):
            store.create(key, b"x")
