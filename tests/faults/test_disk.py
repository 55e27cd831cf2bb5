"""The engine's files may not grow: a file at the limit shows it, an engine's word alone does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from certification_pipeline.harness.faults import disk
from certification_pipeline.harness.faults.disk import FileSizeLimit
from certification_pipeline.harness.faults.fault import Facts
from tests.engines.conftest import Start, log_path, start
from tests.faults.arenas import Ring

__all__ = ["log_path", "start"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")

LIMIT = 50_001
ENGINE = """
from pathlib import Path
def failed(ask, message):
    out(type="error", run_id=ask["run_id"], category="resource", message=message)
for line in sys.stdin:
    ask = json.loads(line)
    if ask["type"] == "describe":
        out(type="described", protocol="1", engine="e", version="1")
        continue
    how, folder = ask["selector"], Path(ask["state_dir"])
    try:
        if how == "lies": failed(ask, "no room, I think"); continue
        if how == "dies":
            subprocess.run(["sh", "-c", "head -c 100000 /dev/zero > big"], cwd=folder, check=True)
        size = 10 if how == "small" else 100_000
        place = folder / "deep" / "rows" if how == "deep" else folder / "rows"
        place.parent.mkdir(exist_ok=True)
        with place.open("wb", buffering=0) as stream:
            while size > 0: size -= stream.write(b"x" * min(size, 20_000))
    except OSError as error:
        if how != "keeps": place.unlink()
        said = {"tells": str(error), "tells_sqlite": "SQLite: disk I/O error"}
        failed(ask, said.get(how, "it failed"))
        continue
    except subprocess.CalledProcessError as error:
        failed(ask, "the program ended")
        continue
    result(ask["run_id"])
"""


@pytest.fixture
def ring(start: Start, tmp_path: Path) -> Ring:
    folder = tmp_path / "state"
    folder.mkdir()
    session = start(ENGINE)
    session.describe()
    return Ring(session, folder=folder)


def play(ring: Ring, selector: str) -> Facts | None:
    return ring.play(FileSizeLimit(LIMIT), selector=selector, state_dir=str(ring.folder))


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ("keeps", {"file": "working folder: rows"}),
        ("dies", {"file": "working folder: big"}),
        ("tells", {"file": "working folder: rows", "said": "File too large"}),
        ("tells_sqlite", {"file": "working folder: rows", "said": "disk I/O error"}),
    ],
)
def test_a_file_that_reached_the_limit(ring: Ring, how: str, seen: dict[str, str]) -> None:
    witness = play(ring, how)
    assert ring.outcome is not None
    assert ring.outcome.ended == "error"
    assert witness is not None
    assert witness["limited_processes"] == 1
    if how.startswith("tells"):  # it may have removed the file before anybody looked
        assert witness["said"] == seen["said"]
    else:
        assert witness["file"] == seen["file"]


@pytest.mark.parametrize("how", ["small", "lies"])
def test_without_a_file_at_the_limit_there_is_no_witness(ring: Ring, how: str) -> None:
    assert play(ring, how) is None


def test_a_limit_that_was_never_set_is_no_witness(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_limit", lambda pid, soft: disk._GONE)
    assert play(ring, "keeps") is None
    assert ring.outcome is not None
    assert ring.outcome.ended == "result"


def test_healed_it_writes_again(ring: Ring) -> None:
    assert play(ring, "keeps") is not None
    session = ring.session
    assert session is not None
    from tests.engines.conftest import request

    again = session.load(request(selector="keeps", state_dir=str(ring.folder)), timeout=30)
    assert again.ended == "result"
    assert (ring.folder / "rows").stat().st_size == 100_000


@pytest.mark.parametrize("limit", [0, -1, 512, 65_536])
def test_a_size_that_files_have_by_themselves_proves_nothing(limit: int) -> None:
    with pytest.raises(ValueError, match="no multiple"):
        FileSizeLimit(limit)
