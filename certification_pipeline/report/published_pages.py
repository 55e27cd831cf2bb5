"""What is published in a repository: records, pages, badges and the README's lines, and whether they agree.

A record is the only source. Everything else is drawn from it again and compared byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from certification_pipeline.evidence.canonical import parse, render, seal
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import read_no_follow, write_atomically
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import PublishedCell, PublishedRecord
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.families.connector_live.pages import page_path, stating
from certification_pipeline.gates.levels.decision import STATED_BY_PAGES
from certification_pipeline.report.badge_svg import Colour
from certification_pipeline.report.badges import CALIBRATION, GUARANTEE, LEVEL, RELEASE, ROUTE, Badge, badges
from certification_pipeline.report.claims import CLAIMS, claims_page
from certification_pipeline.report.matrix_html import MATRIX, matrix_html
from certification_pipeline.report.matrix_page import (
    BADGES,
    CONNECTORS,
    RECORDS,
    ROUTES,
    connectors_page,
    readme_block,
    routes_page,
)
from certification_pipeline.report.published_order import refuse_going_back
from certification_pipeline.report.published_seal import refuse_other_key, seal_problems, seal_record

BEGIN, END = "<!-- published: begin -->", "<!-- published: end -->"
README = "README.md"
_BESIDE = (GUARANTEE, CALIBRATION)
_LARGEST = 16 << 20
_REMEDY = "certify publish-pages"


def publish_record(root: Path, record: PublishedRecord, signer: Signer | None = None) -> Path:
    """Write it, sealed and signed, as ``docs/published/<engine>.json`` below ``root``; returns where.

    Raises ``EvidenceError`` when what is published there is newer, or more, or signed with another key.
    """
    path = root / "docs" / RECORDS / f"{record.subject.engine}.json"
    refuse_other_key(root, signer)
    refuse_going_back(_published(path), record, path)
    write_atomically(path, seal(render(record.model_copy(update={"content_digest": ""}), str(path)))[0])
    seal_record(root, record, signer)
    return path


def _published(path: Path) -> PublishedRecord | None:
    """What lies there now; what cannot be read holds nothing back."""
    try:
        return parse(read_no_follow(path, str(path), _LARGEST), PublishedRecord, str(path))
    except EvidenceError:
        return None


def read_records(root: Path) -> tuple[PublishedRecord, ...]:
    """All records below ``root``, by engine. Raises ``EvidenceError`` for one that was edited."""
    found = []
    for path in sorted((root / "docs" / RECORDS).glob("*.json")):
        record = parse(read_no_follow(path, str(path), _LARGEST), PublishedRecord, str(path))
        if record.subject.engine != path.stem:
            problem = f"is about {record.subject.engine!r}"
            raise EvidenceError(str(path), "subject.engine", problem, f"Publish it again: {_REMEDY}")
        found.append(record)
    return tuple(found)


def pages(records: Sequence[PublishedRecord]) -> dict[str, bytes]:
    """Path below the repository -> bytes, of everything but records and README."""
    made = {
        f"docs/{CONNECTORS}": connectors_page(records).encode(),
        f"docs/{ROUTES}": routes_page(records).encode(),
        f"docs/{CLAIMS}": claims_page(records).encode(),
        f"docs/{MATRIX}": matrix_html(records).encode(),
    }
    for record in records:
        for badge in _drawn(record):
            stem = f"docs/{BADGES}/{record.subject.engine}/{badge.name}"
            made[f"{stem}.svg"] = badge.svg().encode()
            made[f"{stem}.json"] = badge.endpoint(record.created_at).encode()
    return made


def write_pages(root: Path) -> tuple[str, ...]:
    """Draw everything below ``root`` from its records; returns the paths that changed."""
    records = read_records(root)
    wanted = {**pages(records), **_readme(root, records), **dict(_stated(root, records))}
    changed = [path for path, data in wanted.items() if _bytes(root / path) != data]
    for path in changed:
        write_atomically(root / path, wanted[path])
    for path in (surplus := _surplus(root, wanted)):
        (root / path).unlink()
    return (*changed, *surplus)


def stale_pages(root: Path, keys: Collection[PublicKey] = ()) -> tuple[str, ...]:
    """What is published and is not what its record says, or its key signed; empty when all agrees.

    ``keys``: public keys from elsewhere, one of which must have signed; else the one that lies there.
    """
    try:
        records = read_records(root)
        wanted = {**pages(records), **_readme(root, records), **dict(_stated(root, records))}
    except EvidenceError as error:
        return (str(error),)
    there = {path: _bytes(root / path) for path in wanted}
    differing = (
        f"{path} is not {'there' if there[path] is None else 'what its record says'}"
        for path, data in wanted.items()
        if there[path] != data
    )
    surplus = (f"{path} has no record" for path in _surplus(root, wanted))
    return (*differing, *surplus, *seal_problems(root, records, keys))


def differences_from_evidence(record: PublishedRecord, now: PublishedRecord) -> Iterator[str]:
    """Fields of a published record that are not what its evidence yields now; who asks and when aside."""
    beside = {"created_at", "run_id", "producer", "environment", "content_digest"}
    said, seen = (
        json.loads(render(each.model_copy(update={"content_digest": ""}))) for each in (record, now)
    )
    for field in said:
        if field not in beside and said[field] != seen[field]:
            yield field


def readme_with(text: str, block: str, path: str = README) -> str:
    """``text`` with the lines between the two marks replaced. Raises ``EvidenceError`` without marks."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise EvidenceError(path, None, f"has no lines {BEGIN} and {END}", "Put them where badges should be")
    return f"{head}{BEGIN}\n{block}\n{END}{tail}"


def _readme(root: Path, records: Sequence[PublishedRecord]) -> dict[str, bytes]:
    text = read_no_follow(root / README, README, _LARGEST).decode()
    shown = [
        (record.subject.engine, badge)
        for record in records
        if record.selection == Selection()
        for badge in _drawn(record)
        if badge.name == RELEASE or (badge.name in _BESIDE and badge.colour is not Colour.GREY)
    ]
    return {README: readme_with(text, readme_block(records, shown)).encode()}


def _stated(root: Path, records: Sequence[PublishedRecord]) -> Iterator[tuple[str, bytes]]:
    """Connectors' pages, each with the level that its record grants; all else on them is written by people.

    A page states the lowest level where none was granted, as it must state one; what it says above that is
    for the connectors' own checklist.
    """
    for record in records:
        for one in record.levels:
            path = page_path(root / "docs", f"{record.subject.engine}/{one.connector}")
            page = _bytes(path)
            if one.policy == STATED_BY_PAGES and one.level is not None and page is not None:
                yield path.relative_to(root).as_posix(), stating(page.decode(), one.level).encode()


def _drawn(record: PublishedRecord) -> Iterator[Badge]:
    """As of when the record was made; the day is on each.

    What nobody tried has no grey badge of its own, neither a route nor a connector's level: pages list it.
    """
    tried = {name for cell in record.tried() for name in _names(cell)}
    for badge in badges(record, record.created_at):
        kind, _, name = badge.name.partition("-")
        of = name.partition("-")[2] if kind == LEVEL else name
        if badge.colour is not Colour.GREY or kind not in (ROUTE, LEVEL) or of in tried:
            yield badge


def _names(cell: PublishedCell) -> tuple[str, str, str]:
    return cell.route, cell.source, cell.sink


def _surplus(root: Path, wanted: Mapping[str, bytes]) -> tuple[str, ...]:
    there = (root / "docs" / BADGES).glob("*/*")
    return tuple(path for each in sorted(there) if (path := each.relative_to(root).as_posix()) not in wanted)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
