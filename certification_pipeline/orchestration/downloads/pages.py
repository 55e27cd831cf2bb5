"""The pages that list evidence: releases newest first, what people take away from one, a directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from certification_pipeline.evidence import layout
from certification_pipeline.orchestration.downloads.files import Entry, Found, RefusedError, read
from certification_pipeline.orchestration.names import EVIDENCE

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


def releases_page(root: Path) -> str:
    """All releases, newest first."""
    there = _directories(root, ("releases",))
    newest = sorted(there, key=lambda entry: entry.modified, reverse=True)
    latest = _latest(root)
    rows = [
        (
            f'<a href="releases/{quote(entry.name)}/">{escape(entry.name)}</a>'
            + (" <b>latest</b>" if entry.name == latest else ""),
            "<br>".join(_verdict(said) for said in _said(root, entry.name)) or "not decided",
            _when(entry.modified),
            f'<a href="archives/{quote(entry.name)}.zip" download>zip</a>',
        )
        for entry in newest[:MOST_RELEASES]
    ]
    more = len(newest) - len(rows)
    older = f'<p><a href="releases/">{more} more releases</a></p>' if more > 0 else ""
    empty = "" if rows else "<p>No release yet: materialize all, or <code>certify run</code>.</p>"
    also = [entry.name for entry in _directories(root, ()) if entry.name != "releases"]
    links = " · ".join(f'<a href="{quote(name)}/">{escape(name)}/</a>' for name in also)
    body = _table(("release", "verdict", "changed (UTC)", "all of it"), rows) if rows else ""
    return _page("Evidence", f"{empty}{body}{older}<p>{links}</p>", up='<a href="/">Dagster</a>')


def release_page(root: Path, release_id: str, entries: Sequence[Entry]) -> str:
    """What people take away from a release, then its files."""
    names = {entry.name for entry in entries}
    name = quote(release_id)
    main = [
        ("report.html", "report.html", "the whole release for people, in one file"),
        (
            f"../../archives/{name}.zip",
            f"{release_id}.zip",
            "all files, to hand on: certify verify reads them",
        ),
        (f"../../exports/{name}.junit.xml", "JUnit XML", "a test a cell, and the release gate"),
        (f"../../exports/{name}.ctrf.json", "CTRF", "the same as ctrf.io"),
    ]
    rows = [
        _take(href, title, about) for href, title, about in main if title != "report.html" or title in names
    ]
    parts = [f"<h2>Take away</h2>{_table(('what', '', 'is'), rows)}"]
    said = {one.engine: one for one in _said(root, release_id)}
    for engine in (entry.name for entry in entries if entry.is_directory):
        there = {entry.name for entry in _directory(root, ("releases", release_id, engine))}
        mine = [_take(f"{quote(engine)}/{file}", file, about) for file, about in _TAKE if file in there]
        verdict = _verdict(said[engine]) if engine in said else f"{escape(engine)}: not decided"
        link = f'<a href="{quote(engine)}/">all files of {escape(engine)}</a>'
        parts.append(f"<h2>{verdict}</h2>{_table(('what', '', 'is'), mine)}<p>{link}</p>")
    parts.append(f"<h2>Files</h2>{_listing(entries)}")
    return _page(f"Release {escape(release_id)}", "".join(parts), up='<a href="../../">all releases</a>')


def directory_page(parts: Sequence[str], entries: Sequence[Entry]) -> str:
    """A plain listing."""
    return _page(escape("/".join(parts)), _listing(entries), up='<a href="../">up</a>')


def refused_page(message: str) -> str:
    """Why there is nothing to see."""
    return _page("Not here", f"<p>{escape(message)}.</p>", up=f'<a href="{EVIDENCE}/">all evidence</a>')


def _take(href: str, title: str, about: str) -> tuple[str, str, str]:
    save = f'<a href="{href}?download=1">download</a>'
    return f'<a href="{href}">{escape(title)}</a>', save, escape(about)


def _listing(entries: Sequence[Entry]) -> str:
    rows = [
        (
            f'<a href="{quote(entry.name)}{"/" if entry.is_directory else ""}">{escape(entry.name)}'
            f"{'/' if entry.is_directory else ''}</a>",
            "" if entry.is_directory else _size(entry.size),
            _when(entry.modified),
        )
        for entry in sorted(entries, key=lambda entry: (not entry.is_directory, entry.name))
    ]
    return _table(("name", "size", "changed (UTC)"), rows) if rows else "<p>Nothing.</p>"


def _said(root: Path, release_id: str) -> Iterator[Said]:
    for engine in _directories(root, ("releases", release_id)):
        text = _text(root, ("releases", release_id, engine.name, layout.RELEASE_SUMMARY))
        try:
            found = json.loads(text) if text else None
        except ValueError:
            found = {}
        if isinstance(found, dict):
            subject = found.get("subject")
            version = subject.get("version", "") if isinstance(subject, dict) else ""
            yield Said(engine.name, str(version), str(found.get("outcome", "unreadable")))


def _verdict(said: Said) -> str:
    mark = _MARK.get(said.outcome, "?")
    version = f" {escape(said.version)}" if said.version else ""
    colour = said.outcome if said.outcome in _MARK else "cantTell"
    outcome = f'<span class="{colour}">{mark} {escape(said.outcome)}</span>'
    return f"{outcome} {escape(said.engine)}{version}"


def _latest(root: Path) -> str:
    return (_text(root, (layout.LATEST,)) or "").strip()


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


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """``rows`` are HTML already."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"


def _size(size: int) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - what a kibibyte is
            return f"{size:.0f} {unit}"
        size /= 1024  # type: ignore[assignment]
    return f"{size:.1f} GiB"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def _page(title: str, body: str, *, up: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><nav>{up}</nav><h1>{title}</h1>{body}</body></html>"
    )


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;"
    "color:#1b1f24;background:#fff}h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid #d8dee4;vertical-align:top}"
    "th:first-child{width:40%}th:nth-child(2){width:20%}th{font-weight:600;color:#57606a}"
    "td:nth-child(2),td:nth-child(3){color:#57606a}a{color:#0b57d0;text-decoration:none}a:hover{text-decoration:underline}"
    ".passed{color:#116329}.failed{color:#b42318;font-weight:600}.cantTell{color:#8a5a00}.untested,.inapplicable{color:#57606a}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}a{color:#6cb6ff}"
    "th,td{border-color:#30363d}.passed{color:#57ab5a}.failed{color:#ff7b72}.cantTell{color:#d4a72c}}"
)
