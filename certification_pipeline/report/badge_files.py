"""Badges as files: ``<out>/<engine>/<name>.svg`` and ``.json``, none left saying what is no longer so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from certification_pipeline.evidence.files import safe_segment, write_atomically
from certification_pipeline.report.badges import Badge, absent


def badge_names(out: Path, engine: str) -> tuple[str, ...]:
    """Stems of badges of ours that lie there: an SVG with an endpoint beside it."""
    found = []
    for svg in sorted((out / engine).glob("*.svg")):
        with suppress(OSError, ValueError):
            beside = json.loads(svg.with_suffix(".json").read_bytes())
            if isinstance(beside, dict) and beside.get("schemaVersion") == 1:
                found.append(svg.stem)
    return tuple(found)


def write_badges(out: Path, engine: str, made: Sequence[Badge], now: datetime) -> tuple[Badge, ...]:
    """Write them, and over those of before that nothing stands behind any more; returns all written.

    Raises ``EvidenceError`` for a name that is no file's, and for what the system refuses.
    """
    names = {badge.name for badge in made}
    gone = absent(engine, (name for name in badge_names(out, engine) if name not in names))
    directory = out / safe_segment(engine, "engine name")
    for badge in (*made, *gone):
        stem = safe_segment(badge.name, "badge name", 200)
        write_atomically(directory / f"{stem}.svg", badge.svg().encode())
        write_atomically(directory / f"{stem}.json", badge.endpoint(now).encode())
    return (*made, *gone)
