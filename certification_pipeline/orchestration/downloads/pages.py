"""The pages that list evidence: releases newest first, what people take away from one, a directory.

Names and what summaries say come from files that anybody may have edited: the templates escape all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment

from certification_pipeline.evidence import layout
from certification_pipeline.orchestration.downloads.files import Entry, Found, RefusedError, read
from certification_pipeline.orchestration.names import EVIDENCE
from certification_pipeline.templating import environment

MOST_RELEASES = 200
"""On the first page; older ones are in its directory ``releases/``."""
_LARGEST = 4 << 20
_MARK = {"passed": "✓", "failed": "✗", "cantTell": "?", "untested": "–", "inapplicable": "–"}
_TAKE = (
    (layout.RELEASE_SUMMARY, "may this release go out, and why (not)"),
    ("release_summary.md", "the same to read"),
    (layout.REPORT, "every planned cell with its outcome"),
    (layout.SUITE, "the evidence families together"),
    (layout.CONNECTOR_LEVELS, "the level each connector is granted"),
    (layout.ARTIFACT_INDEX, "every file with its SHA-256"),
    (layout.PLAN, "what was sealed before the run"),
)


class Said(NamedTuple):
    """What an engine's summary says of itself: a claim, to find the way; `certify verify` recomputes."""

    engine: str
    version: str
    outcome: str

    @property
    def mark(self) -> str:
        """A character for the outcome."""
        return _MARK.get(self.outcome, "?")

    @property
    def colour(self) -> str:
        """The class of the style sheet."""
        return self.outcome if self.outcome in _MARK else "cantTell"


class _Release(NamedTuple):
    """A row of the first page."""

    name: str
    latest: bool
    said: tuple[Said, ...]
    changed: str


class _Taken(NamedTuple):
    """Something people take away."""

    href: str
    title: str
    about: str


class _Engine(NamedTuple):
    """One engine of a release."""

    name: str
    said: Said | None
    files: tuple[_Taken, ...]


class _Listed(NamedTuple):
    """A row of a directory."""

    href: str
    title: str
    size: str
    changed: str


def releases_page(root: Path) -> str:
    """All releases, newest first."""
    there = _directories(root, (layout.RELEASES,))
    newest = sorted(there, key=lambda entry: entry.modified, reverse=True)
    latest = (_text(root, (layout.LATEST,)) or "").strip()
    shown = [
        _Release(one.name, one.name == latest, tuple(_said(root, one.name)), _when(one.modified))
        for one in newest[:MOST_RELEASES]
    ]
    also = [entry.name for entry in _directories(root, ()) if entry.name != layout.RELEASES]
    return _page("releases", releases=shown, older=len(newest) - len(shown), also=also)


def release_page(root: Path, release_id: str, entries: Sequence[Entry]) -> str:
    """What people take away from a release, then its files."""
    name = quote(release_id)
    report = _Taken("report.html", "report.html", "the whole release for people, in one file")
    whole = [
        *([report] if any(entry.name == report.title for entry in entries) else []),
        _Taken(
            f"../../archives/{name}.zip",
            f"{release_id}.zip",
            "all files, to hand on: certify verify reads them",
        ),
        _Taken(f"../../exports/{name}.junit.xml", "JUnit XML", "a test a cell, and the release gate"),
        _Taken(f"../../exports/{name}.ctrf.json", "CTRF", "the same as ctrf.io"),
    ]
    said = {one.engine: one for one in _said(root, release_id)}
    engines = [
        _Engine(entry.name, said.get(entry.name), tuple(_take_away(root, release_id, entry.name)))
        for entry in entries
        if entry.is_directory
    ]
    return _page("release", release_id=release_id, whole=whole, engines=engines, files=_listing(entries))


def directory_page(parts: Sequence[str], entries: Sequence[Entry]) -> str:
    """A plain listing."""
    return _page("directory", path="/".join(parts), files=_listing(entries))


def refused_page(message: str) -> str:
    """Why there is nothing to see."""
    return _page("refused", message=message, evidence=EVIDENCE)


def _take_away(root: Path, release_id: str, engine: str) -> Iterator[_Taken]:
    there = {entry.name for entry in _directory(root, (layout.RELEASES, release_id, engine))}
    for file, about in _TAKE:
        if file in there:
            yield _Taken(f"{quote(engine)}/{file}", file, about)


def _listing(entries: Sequence[Entry]) -> list[_Listed]:
    """Directories first."""
    return [
        _Listed(
            quote(entry.name) + "/" * entry.is_directory,
            entry.name + "/" * entry.is_directory,
            "" if entry.is_directory else _size(entry.size),
            _when(entry.modified),
        )
        for entry in sorted(entries, key=lambda entry: (not entry.is_directory, entry.name))
    ]


def _said(root: Path, release_id: str) -> Iterator[Said]:
    for engine in _directories(root, (layout.RELEASES, release_id)):
        text = _text(root, (layout.RELEASES, release_id, engine.name, layout.RELEASE_SUMMARY))
        try:
            found = json.loads(text) if text else None
        except ValueError:
            found = {}
        if isinstance(found, dict):
            subject = found.get("subject")
            version = subject.get("version", "") if isinstance(subject, dict) else ""
            yield Said(engine.name, str(version), str(found.get("outcome", "unreadable")))


def _text(root: Path, parts: tuple[str, ...]) -> str | None:
    try:
        found = read(root, parts)
    except RefusedError:
        return None
    if not isinstance(found, Found):
        return None
    with found.file as file:
        return file.read(_LARGEST).decode(errors="replace")


def _directories(root: Path, parts: tuple[str, ...]) -> list[Entry]:
    return [entry for entry in _directory(root, parts) if entry.is_directory]


def _directory(root: Path, parts: tuple[str, ...]) -> list[Entry]:
    try:
        found = read(root, parts)
    except RefusedError:
        return []
    if isinstance(found, Found):
        found.file.close()
        return []
    return found


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - what a kibibyte is
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _page(name: str, **given: object) -> str:
    return _environment().get_template(f"{name}.html.j2").render(given)


@cache
def _environment() -> Environment:
    return environment(Path(__file__).parent / "templates")
