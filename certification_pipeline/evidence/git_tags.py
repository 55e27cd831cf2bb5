"""Annotated tags of a git repository, as a place to keep a text that others fetch a copy of."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind

GIT_PREFIX = "git:"
_SIGNATURE = re.compile(
    rb"^-----BEGIN (?:PGP|SSH) (?:SIGNATURE|MESSAGE)-----$|^-----BEGIN SIGNED MESSAGE-----$", re.M
)
_ANNOTATED = "tag"


def read_tag(repository: Path, tag: str) -> bytes:
    """The message of an annotated tag, without what git put before and a signature after it."""
    shown = f"{GIT_PREFIX}{repository}#{tag}"
    done = _git(repository, "cat-file", _ANNOTATED, f"refs/tags/{tag}")
    if done.returncode:
        remedy = f"See `git -C {repository} tag -n`; a lightweight tag holds no text"
        problem = f"is no annotated tag: {_said(done)}"
        raise EvidenceError(shown, None, problem, remedy, ProblemKind.MISSING)
    return _message(done.stdout)


def read_tags(repository: Path, first_line: str) -> Iterator[tuple[str, bytes]]:
    """Name and message of each annotated tag whose message begins with that line."""
    form = "%(objecttype) %(refname:lstrip=2)%09%(contents:subject)"
    done = _git(repository, "for-each-ref", f"--format={form}", "refs/tags")
    if done.returncode:
        raise _refused(repository, done)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        named, _, subject = line.partition("\t")
        kind, _, name = named.partition(" ")
        # A subject is a message's first paragraph on one line.
        if kind == _ANNOTATED and subject.startswith(first_line):
            message = read_tag(repository, name)
            if message.startswith(f"{first_line}\n".encode()):
                yield name, message


def write_tag(repository: Path, tag: str, message: bytes) -> None:
    """Make an annotated tag of the commit that is checked out; ``EvidenceError`` when one is there."""
    options = ("--annotate", "--no-sign", "--cleanup=verbatim", "--file=-")
    done = _git(repository, "tag", *options, "--", tag, given=message)
    if done.returncode:
        raise _refused(repository, done, tag)


def _message(tag: bytes) -> bytes:
    message = tag.partition(b"\n\n")[2]
    signed = _SIGNATURE.search(message)
    return message[: signed.start()] if signed else message


def _git(repository: Path, *words: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    # The repository is the one named, whatever a surrounding git command has set.
    environment = {key: value for key, value in os.environ.items() if key not in _OF_A_REPOSITORY}
    command = ["git", "-C", str(repository), *words]
    try:
        return subprocess.run(command, input=given, capture_output=True, check=False, env=environment)
    except FileNotFoundError:
        remedy = "Install git, or keep the anchor in a file: --to FILE"
        raise EvidenceError("git", None, "is not there", remedy, ProblemKind.MISSING) from None


_OF_A_REPOSITORY = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE"}
)


def _refused(repository: Path, done: subprocess.CompletedProcess[bytes], tag: str = "") -> EvidenceError:
    shown = f"{GIT_PREFIX}{repository}" + (f"#{tag}" if tag else "")
    remedy = "Name a repository with a commit, user.name and user.email, and a tag that is not there yet"
    return EvidenceError(shown, None, f"git refused: {_said(done)}", remedy, ProblemKind.REFUSED)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("fatal: ")[:200] if lines else f"exit {done.returncode}"
