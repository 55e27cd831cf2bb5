"""Who made it: the revision is read from git's files, with or without git."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from certification_pipeline import __version__
from certification_pipeline.evidence.provenance import environment, git_revision, producer, stamp

ONE = "1" * 40
TWO = "2" * 40


def repository(root: Path, head: str) -> Path:
    (root / ".git" / "refs" / "heads").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text(head)
    return root


def test_a_detached_head(tmp_path: Path) -> None:
    assert git_revision(repository(tmp_path, ONE + "\n")) == ONE


def test_a_branch(tmp_path: Path) -> None:
    root = repository(tmp_path, "ref: refs/heads/main\n")
    assert git_revision(root) is None  # no commit yet
    (root / ".git" / "packed-refs").write_text(f"# pack-refs\n{TWO} refs/heads/main\n^{ONE}\n")
    assert git_revision(root) == TWO
    (root / ".git" / "refs" / "heads" / "main").write_text(ONE + "\n")
    assert git_revision(root) == ONE


def test_a_linked_worktree(tmp_path: Path) -> None:
    root = repository(tmp_path / "main", "ref: refs/heads/main\n")
    (root / ".git" / "refs" / "heads" / "side").write_text(TWO)
    private = root / ".git" / "worktrees" / "side"
    private.mkdir(parents=True)
    (private / "HEAD").write_text("ref: refs/heads/side\n")
    (private / "commondir").write_text("../..\n")
    linked = tmp_path / "side"
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {private}\n")
    assert git_revision(linked) == TWO


@pytest.mark.parametrize("head", ["", "nonsense", "ref: refs/heads/../../../etc/passwd", "ref: "])
def test_a_broken_repository_has_no_revision(tmp_path: Path, head: str) -> None:
    assert git_revision(repository(tmp_path, head)) is None


def test_no_repository_has_no_revision(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None


@pytest.mark.skipif(shutil.which("git") is None, reason="compares with git itself")
def test_it_is_what_git_says(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")


def test_producer_and_environment_name_a_kind_of_machine_not_a_person() -> None:
    assert producer().version == __version__
    made = environment()
    assert made.python == platform.python_version()
    assert made.cpu_count >= 1
    assert platform.node() == "" or platform.node() not in made.platform
    assert stamp("run-1").run_id == "run-1"
    assert stamp("run-1").created_at.tzinfo is not None
