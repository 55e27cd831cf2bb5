"""What a person asks for: checked before anything is started, refused with exit 2 and nothing written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from certification_pipeline.cli.errors import run_app
from tests.replay.conftest import Release

pytestmark = pytest.mark.integration


@pytest.fixture
def root(green: Release, tmp_path: Path) -> Path:
    """A copy of a release whose runs can be replayed."""
    return Path(shutil.copytree(green.directory.path.parents[2], tmp_path / "evidence"))


@pytest.fixture
def runs(green: Release) -> dict[str, str]:
    """Sink/strategy/scenario -> the id of its last load."""
    return {name: cell.loads[-1].run_id for name, cell in green.cells().items()}


def replay(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_app(["replay", *words, "--evidence-dir", str(root)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_and_plan_touch_nothing(
    capsys: pytest.CaptureFixture[str], root: Path, runs: dict[str, str]
) -> None:
    before = sorted(path for path in root.rglob("*"))
    code, out, _ = replay(capsys, root, "list", "--format", "json")
    assert code == 0
    listed = {row["run_id"]: row["kinds"] for row in json.loads(out)}
    run = runs["postgres/xmin/incr.noop"]
    assert listed[run] == ["window", "partition", "key_range", "resume"]
    code, out, _ = replay(
        capsys,
        root,
        "plan",
        "--run-id",
        run,
        "--from",
        "2024-05-23",
        "--to",
        "2024-05-26",
        "--format",
        "json",
    )
    assert code == 0
    planned = json.loads(out)
    assert (planned["status"], planned["executed"], planned["mode"]) == ("planned", False, "plan")
    assert planned["rows_in_scope"] > 0
    assert planned["strategy"] == "xmin"
    assert sorted(path for path in root.rglob("*")) == before


NONSENSE: list[tuple[tuple[str, ...], str]] = [
    (("--partition", "2024-05-23", "--run-id", "no-such-run"), "no run 'no-such-run'"),
    (("--from", "2024-05-26", "--to", "2024-05-23"), "is empty"),
    (("--from", "2024-05-23", "--to", "2024-05-23"), "is empty"),
    (("--from", "2024-05-23"), "--to is missing"),
    (("--from", "monday", "--to", "2024-05-23"), "is no ISO date"),
    (("--partition", "1999-01-01"), "no such partition"),
    (("--key-from", "20", "--key-to", "10"), "is empty"),
    (("--key-from", "a", "--key-to", "10"), "is no integer"),
    (("--partition", "2024-05-23", "--key-from", "1"), "not several"),
    ((), "needs one scope"),
    (("--action", "resume", "--partition", "2024-05-23"), "no scope"),
    (("--action", "undo"), "no action 'undo'"),
]


@pytest.mark.parametrize("command", ["plan", "execute"])
def test_nonsense_is_exit_2_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], root: Path, runs: dict[str, str], command: str
) -> None:
    for words, says in NONSENSE:
        run = () if "--run-id" in words else ("--run-id", runs["postgres/xmin/incr.noop"])
        code, out, err = replay(capsys, root, command, *run, *words)
        assert (code, out) == (2, ""), words
        assert says in err
        assert "→" in err
    assert not list(root.rglob("replay_evidence*"))


def test_a_failed_run_cannot_be_replayed(
    capsys: pytest.CaptureFixture[str], root: Path, runs: dict[str, str]
) -> None:
    path = next(root.rglob("cells/postgres_to_postgres__xmin__incr.noop.json"))
    path.write_text(path.read_text().replace('"ended": "result"', '"ended": "exit"'))
    code, _, err = replay(
        capsys, root, "execute", "--run-id", runs["postgres/xmin/incr.noop"], "--partition", "2024-05-23"
    )
    assert code == 2
    assert "ended in exit" in err


@pytest.mark.nightly
def test_one_replay_is_done_and_put_beside_the_others(
    capsys: pytest.CaptureFixture[str], root: Path, runs: dict[str, str], green: Release, server: str
) -> None:
    words = ("--run-id", runs["sqlite/xmin/incr.noop"], "--partition", "2024-05-23", "--format", "json")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CERTIFY_POSTGRES_DSN", server)
        code, out, err = replay(capsys, root, "execute", *words)
    assert code == 0, err
    done = json.loads(out)
    assert (done["outcome"], done["status"], done["state_committed"]) == ("passed", "executed", True)
    made = json.loads(next(root.rglob("replay_evidence.json")).read_text())
    assert made["outcome"] == "untested", "one replay is not all that is declared"
    assert any(blocker["code"].startswith("replay.missing:") for blocker in made["blockers"])
