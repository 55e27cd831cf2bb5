"""Every name below an evidence root: what may lie there, and what nothing accounts for.

Looks at names and kinds of files, never inside them; links are never followed. Files of a subject's
directory are the chain's matter, but for what no chain can hold: links, pipes, directories of no use.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.exclusive import LOCK
from certification_pipeline.evidence.files import SEGMENT_PATTERN, is_temporary, safe_segment
from certification_pipeline.gates.chain_files import shown
from certification_pipeline.gates.verify.finding import Finding, Kind

HARNESS_LOG = "harness.log"
"""What the bench said while it worked, for its maintainers: evidence of nothing."""
NOTIFIED = r"notices/sent\.jsonl"
"""Who was told what (``notify``, a room that gates do not know): evidence of nothing either."""
_ROOMS = re.compile(
    "|".join(
        (
            layout.LATEST,
            rf"{layout.RELEASES}/{SEGMENT_PATTERN}/({SEGMENT_PATTERN}|{SEGMENT_PATTERN}/.+)",
            rf"{layout.CHAIN}/{SEGMENT_PATTERN}/.+",
            rf"{layout.PUBLISHED}/{SEGMENT_PATTERN}\.json",
            rf"{layout.ATTESTED}/{SEGMENT_PATTERN}/{SEGMENT_PATTERN}\.intoto\.jsonl",
            rf"{layout.CALIBRATIONS}/{SEGMENT_PATTERN}/(calibration\.(json|md)|trials/{SEGMENT_PATTERN}/({SEGMENT_PATTERN}:)?{SEGMENT_PATTERN}\.json)",
            NOTIFIED,
            rf"{layout.BASELINES}/{SEGMENT_PATTERN}/(pinned\.json|{SEGMENT_PATTERN}\.zip)",
        )
    )
)
"""Where files lie that somebody looks into; what is right inside a room is for those who do."""
_REMOVE = "Remove it, or find out who put it there; evidence is made by certify alone"


def strange(root: Path) -> Iterator[Finding | str]:
    """What lies below ``root`` and is no evidence: findings, and notes about what proves nothing."""
    yield from _below(root, "")


def _below(root: Path, at: str) -> Iterator[Finding | str]:
    try:
        with os.scandir(root / at) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        told = f"cannot list it: {error.strerror}"
        yield Finding(kind=Kind.UNDECIDED, path=shown(at) or ".", message=told, outcome=Outcome.CANT_TELL)
        return
    if not entries and at:
        yield f"{shown(at)} is an empty directory"
    for entry in entries:
        path = f"{at}/{entry.name}" if at else entry.name
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError as error:
            told = f"cannot look at it: {error.strerror}"
            yield Finding(kind=Kind.UNDECIDED, path=shown(path), message=told, outcome=Outcome.CANT_TELL)
            continue
        if stat.S_ISDIR(mode):
            yield from _directory(path)
            yield from _below(root, path)
        elif not stat.S_ISREG(mode):
            yield Finding(kind=Kind.ADDED, path=shown(path), message=f"it is {_what(mode)}", remedy=_REMOVE)
        else:
            yield from _file(path)


def _directory(path: str) -> Iterator[Finding]:
    """Directories that readers would pass over in silence."""
    parts = path.split("/")
    if parts[0] == layout.PUBLISHED and len(parts) > 1:
        told = "it is a directory, where a publication would lie"
        yield Finding(kind=Kind.ADDED, path=shown(path), message=told, remedy=_REMOVE)
    elif (
        parts[0] in {layout.RELEASES, layout.CHAIN, layout.BASELINES, layout.CALIBRATIONS}
        and len(parts) in {2, 3}
        and not (_is_safe(parts[-1]))
    ):
        yield Finding(
            kind=Kind.ADDED, path=shown(path), message="no evidence has such a name", remedy=_REMOVE
        )


def _file(path: str) -> Iterator[Finding | str]:
    name = path.rpartition("/")[2]
    if name in {LOCK, HARNESS_LOG} or path in {layout.QUIET_GATE, layout.QUIET_ROOM}:
        return
    if is_temporary(name):
        yield f"{shown(path)} is what a writer left that was stopped: nobody reads it"
    elif not _ROOMS.fullmatch(path):
        yield Finding(
            kind=Kind.ADDED,
            path=shown(path),
            message="no evidence lies there: nothing vouches for it",
            remedy=_REMOVE,
        )


def _is_safe(name: str) -> bool:
    try:
        safe_segment(name, "name", 255)
    except EvidenceError:
        return False
    return True


def _what(mode: int) -> str:
    kinds = (
        (stat.S_ISLNK, "a symbolic link, and none is followed"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISCHR, "a device"),
    )
    return next((what for is_it, what in kinds if is_it(mode)), "no regular file")
