"""The working folder is lost, damaged or an older one: digests show it, or there is no witness."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from certification_pipeline.harness.faults import state
from certification_pipeline.harness.faults.fault import Facts, Fault, NothingToDisturb
from certification_pipeline.harness.faults.state import StateCopy, StateCorrupt, StateLost, StateStale
from tests.faults.arenas import Ring


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    (folder / "deep").mkdir(parents=True)
    (folder / "cursor.json").write_text('{"cursor": "2024-01-01T00:00:00Z"}')
    (folder / "deep" / "rows").write_bytes(bytes(1000))
    (folder / "empty").touch()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("not ours")
    os.mkfifo(folder / "deep" / "pipe")
    return folder


def disturb(fault: Fault, folder: Path) -> Facts | None:
    seen: list[Facts | None] = []
    with Ring(folder=folder).disrupt(fault, seen):
        pass
    return seen[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in state._files(folder)}


def test_lost(folder: Path) -> None:
    seen = disturb(StateLost(), folder)
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    assert seen is not None
    assert (seen["files_before"], seen["files_after"]) == (3, 0)
    assert seen["digest_before"] != seen["digest_after"]


def test_truncated(folder: Path) -> None:
    before = contents(folder)
    seen = disturb(StateCorrupt("truncate"), folder)
    assert seen is not None
    assert (seen["truncated"], seen["bytes_before"], seen["bytes_after"]) == ("deep/rows", 1000, 500)
    assert contents(folder) == {**before, "deep/rows": bytes(500)}


def test_flipped_always_the_same_way(folder: Path, tmp_path: Path) -> None:
    before = contents(folder)
    seen = disturb(StateCorrupt("flip", seed=7), folder)
    after = contents(folder)
    assert seen is not None
    assert seen["flipped"] == {"cursor.json": 1, "deep/rows": 16}
    for name, content in before.items():
        differing = sum(a != b for a, b in zip(content, after[name], strict=True))
        assert differing == (len(content) + 63) // 64
    for name, content in before.items():
        (folder / name).write_bytes(content)
    again = disturb(StateCorrupt("flip", seed=7), folder)
    assert (again, contents(folder)) == (seen, after)
    for name, content in before.items():
        (folder / name).write_bytes(content)
    other = disturb(StateCorrupt("flip", seed=8), folder)
    assert other is not None
    assert contents(folder) != after
    assert (tmp_path / "elsewhere").read_text() == "not ours"


def test_stale(folder: Path) -> None:
    copy = StateCopy.take(folder)
    second = StateCopy.take(folder)
    assert (copy.files, copy.digest) == (3, second.digest)
    assert copy.path != second.path
    before = contents(folder)
    (folder / "cursor.json").write_text('{"cursor": "2025-01-01T00:00:00Z"}')
    (folder / "newer").write_text("x")
    seen = disturb(StateStale(copy), folder)
    assert contents(folder) == before
    assert seen is not None
    assert (seen["files_before"], seen["files_after"]) == (4, 3)
    assert seen["digest_after"] == copy.digest


def test_an_engine_that_keeps_nothing_has_nothing_to_lose(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").touch()
    empty = StateCopy.take(tmp_path / "state")
    for fault in (StateLost(), StateCorrupt(), StateCorrupt("truncate"), StateStale(empty)):
        with pytest.raises(NothingToDisturb):
            disturb(fault, tmp_path / "state")


def test_a_folder_that_has_not_changed_cannot_be_stale(folder: Path) -> None:
    with pytest.raises(NothingToDisturb, match="not changed"):
        disturb(StateStale(StateCopy.take(folder)), folder)


@pytest.mark.parametrize("fault", [StateLost(), StateCorrupt(), StateCorrupt("truncate")])
def test_what_was_not_done_leaves_no_witness(
    folder: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_empty", lambda folder: None)
    monkeypatch.setattr(state, "_flip", lambda path, size, chance: 1)
    monkeypatch.setattr(Path, "open", lambda *_, **__: open(os.devnull, "r+b"))  # noqa: PTH123, SIM115
    with suppress(OSError):
        assert disturb(fault, folder) is None
    assert fault.witness() is None


def test_another_folder_than_the_copied_one_is_no_witness(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = StateCopy.take(folder)
    (folder / "newer").write_text("x")
    monkeypatch.setattr(state, "_copy", lambda source, target: None)
    assert disturb(StateStale(copy), folder) is None
