"""Who makes an artifact and where: the header fields every producer fills in the same way."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TypedDict

from pydantic import AwareDatetime

from certification_pipeline import __version__
from certification_pipeline.evidence.artifact import (
    Artifact,
    Environment,
    Model,
    Producer,
    Subject,
    utc_now,
)

_REVISION = re.compile(r"[0-9a-f]{40,64}")
_GIT_SECONDS = 5.0


class Header(TypedDict):
    """The header fields of an artifact but its verdict; ``Model(**header, …)``."""

    schema_version: str
    release_id: str
    subject: Subject
    profile: str
    run_id: str
    created_at: datetime
    producer: Producer
    environment: Environment


class Provenance(Model):
    """The part of an artifact's header that does not depend on what it is about."""

    run_id: str
    created_at: AwareDatetime
    producer: Producer
    environment: Environment

    def header(self, kind: type[Artifact], release_id: str, subject: Subject, profile: str) -> Header:
        """The whole header of one artifact of that kind."""
        return Header(
            schema_version=kind.schema_name(),
            release_id=release_id,
            subject=subject,
            profile=profile,
            run_id=self.run_id,
            created_at=self.created_at,
            producer=self.producer,
            environment=self.environment,
        )


def stamp(run_id: str) -> Provenance:
    """Provenance of an artifact made now. Stamp right before making it: gates compare the times."""
    return Provenance(run_id=run_id, created_at=utc_now(), producer=producer(), environment=environment())


@cache
def producer() -> Producer:
    """This package; with the git revision when it runs from a checkout, which needs no git."""
    checkout = _checkout()
    if checkout is None:
        return Producer(version=__version__)
    return Producer(version=__version__, git_revision=git_revision(checkout), git_dirty=_git_dirty(checkout))


@cache
def environment() -> Environment:
    """The kind of machine: Python, system, processors, memory. No host or user name."""
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()}-{platform.machine()}",
        cpu_count=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
    )


def git_revision(checkout: Path) -> str | None:
    """The commit checked out at ``checkout``, read from its files; ``None`` if there is none yet."""
    try:
        return _revision(_git_directory(checkout))
    except (OSError, UnicodeDecodeError):
        return None


def _checkout() -> Path | None:
    # Only a checkout of ours: an installed package may well lie inside somebody else's repository.
    root = Path(__file__).resolve().parents[2]
    is_ours = (root / ".git").exists() and (root / "pyproject.toml").is_file()
    return root if is_ours else None


def _git_directory(checkout: Path) -> Path:
    entry = checkout / ".git"
    if entry.is_dir():
        return entry
    # A linked worktree or submodule: `gitdir: <path>`.
    return checkout / entry.read_text().removeprefix("gitdir:").strip()


def _revision(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head if _REVISION.fullmatch(head) else None
    ref = head.removeprefix("ref:").strip()
    common = git / "commondir"
    shared = git / common.read_text().strip() if common.is_file() else git
    for directory in (git, shared):
        if (directory / ref).is_file():
            found = (directory / ref).read_text().strip()
            return found if _REVISION.fullmatch(found) else None
    packed = shared / "packed-refs"
    for line in packed.read_text().splitlines() if packed.is_file() else ():
        revision, _, name = line.partition(" ")
        if name == ref and _REVISION.fullmatch(revision):
            return revision
    return None


def _git_dirty(checkout: Path) -> bool | None:
    """Whether tracked or new files differ from the commit; ``None`` when git cannot tell."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(checkout), "status", "--porcelain", "--untracked-files=normal"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return bool(done.stdout.strip()) if done.returncode == 0 else None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
