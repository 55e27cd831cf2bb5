"""``certify publish-pages`` with evidence at hand: publish a release, or hold what is published to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import typer

from certification_pipeline.cli.evidence import open_release, trusted_keys
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.seal.keys import PublicKey, read_public_keys
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.verification import provenance_of
from certification_pipeline.report.current_badges import refuse_unsigned
from certification_pipeline.report.matrix_rows import good_until
from certification_pipeline.report.published import read_published
from certification_pipeline.report.published_order import newer_releases, refuse_superseded
from certification_pipeline.report.published_pages import (
    differences_from_evidence,
    publish_record,
    read_records,
    stale_pages,
)
from certification_pipeline.report.published_seal import refuse_other_key
from certification_pipeline.settings import load_settings


def publish_release(
    root: Path,
    evidence_dir: Path | None,
    release_id: str | None,
    engines: list[str] | None,
    keys: list[str] | None,
) -> list[Path]:
    """Records of the release's engines, or of none of them; returns where they lie.

    Raises ``EvidenceError`` for a release that is not verified, not the newest, or not signed as asked.
    """
    store, chosen, names = open_release(evidence_dir, release_id, engines)
    signer = load_settings(evidence_dir=evidence_dir).signer()
    refuse_other_key(root, signer)
    must = (signer.public_key,) if signer else read_public_keys(keys or ())
    trusted, records = trusted_keys(evidence_dir, keys), []
    for name in names:
        refuse_superseded(store, chosen, name)
        if must:
            refuse_unsigned(store, chosen, name, must)
        records.append(read_published(store, chosen, name, stamp(str(uuid4())), trusted=trusted))
    left = [name for name in store.engines(chosen) if name not in names]
    if left:
        typer.echo(f"– of release {chosen} not published: {', '.join(left)}", err=True)
    return [publish_record(root, record, signer) for record in records]


def problems_published(
    root: Path, evidence_dir: Path | None, keys: list[str] | None, *, from_records: bool
) -> list[str]:
    """Everything that makes ``--check`` red; what has merely expired, or lies elsewhere, is told."""
    given = read_public_keys(keys or ())
    problems = list(stale_pages(root, given))
    try:
        records = read_records(root)
    except EvidenceError:
        return problems  # which tell it
    _tell_expired(records)
    return problems if from_records else [*problems, *_against_evidence(records, evidence_dir, keys)]


def _tell_expired(records: Sequence[PublishedRecord]) -> None:
    """Passing time is no edit: no commit could mend what it turns red."""
    for record in records:
        until = good_until(record)
        if until is not None and until <= utc_now():
            told = f"its evidence expired on {until.date()}: certify again"
            typer.echo(f"– {record.subject.engine}: {told}", err=True)


def _against_evidence(
    records: Sequence[PublishedRecord], evidence_dir: Path | None, keys: list[str] | None
) -> Iterator[str]:
    """Records of releases whose evidence is here, made again as of their own time; others are told."""
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    trusted: tuple[PublicKey, ...] = trusted_keys(evidence_dir, keys)
    for record in records:
        engine, release = record.subject.engine, record.release_id
        shown = f"docs/published/{engine}.json"
        if engine not in store.engines(release):
            typer.echo(f"– {engine}: the evidence of release {release} is not in {store.root}", err=True)
            continue
        try:
            now = read_published(store, release, engine, provenance_of(record), trusted=trusted)
            newer = tuple(newer_releases(store, release, engine))
        except EvidenceError as error:
            yield f"{engine}: {error}"
            continue
        if fields := ", ".join(differences_from_evidence(record, now)):
            yield f"{shown}: its evidence shows another {fields}"
        if newer:
            yield f"{shown}: is of release {release}, and {newer[-1]} was sealed after it"
