"""``certify publish-pages``: the pages that say in public what a release is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certification_pipeline.cli import options


def publish_pages(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    key: options.Keys = None,
    evidence_dir: options.EvidenceDir = None,
    repository: Annotated[
        Path, typer.Option("--repository", metavar="DIR", help="Where README.md and docs/ lie.")
    ] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 when what is published is not so.")
    ] = False,
    draw: Annotated[
        bool, typer.Option("--from-records", help="Only draw pages from the records there are.")
    ] = False,
) -> None:
    """Write docs/published/<engine>.json from verified evidence, and pages, badges, README lines from it.

    With --check and evidence of a published release at hand, its record is made again and compared, too.
    """
    from certification_pipeline.report.published_pages import publish_record, stale_pages, write_pages  # noqa: PLC0415

    root = repository.absolute()
    if check:
        problems = [*stale_pages(root), *(() if draw else _against_evidence(root, evidence_dir, key))]
        for problem in problems:
            typer.echo(f"✗ {problem}")
        if not problems:
            typer.echo("✓ what is published is what its records say")
        raise typer.Exit(int(bool(problems)))
    if not draw:
        from uuid import uuid4  # noqa: PLC0415 - lazy on purpose

        from certification_pipeline.cli.evidence import open_release, trusted_keys  # noqa: PLC0415
        from certification_pipeline.evidence.provenance import stamp  # noqa: PLC0415
        from certification_pipeline.report.published import read_published  # noqa: PLC0415

        store, chosen, names = open_release(evidence_dir, release_id, engine)
        trusted = trusted_keys(evidence_dir, key)
        records = [
            read_published(store, chosen, name, stamp(str(uuid4())), trusted=trusted) for name in names
        ]
        for record in records:  # all of them or none
            typer.echo(publish_record(root, record))
    for path in write_pages(root):
        typer.echo(path)


def _against_evidence(root: Path, evidence_dir: Path | None, keys: list[str] | None) -> list[str]:
    """Records of releases whose evidence is here, made again as of their own time; others are told."""
    from certification_pipeline.cli.evidence import trusted_keys  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.errors import EvidenceError  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.gates.verification import provenance_of  # noqa: PLC0415
    from certification_pipeline.report.published import read_published  # noqa: PLC0415
    from certification_pipeline.report.published_pages import differences_from_evidence, read_records  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    trusted, problems = trusted_keys(evidence_dir, keys), list[str]()
    try:
        records = read_records(root)
    except EvidenceError:
        return []  # told already
    for record in records:
        engine, release = record.subject.engine, record.release_id
        if engine not in store.engines(release):
            typer.echo(f"– {engine}: the evidence of release {release} is not in {store.root}", err=True)
            continue
        try:
            now = read_published(store, release, engine, provenance_of(record), trusted=trusted)
        except EvidenceError as error:
            problems.append(f"{engine}: {error}")
            continue
        fields = ", ".join(differences_from_evidence(record, now))
        problems += [f"docs/published/{engine}.json: its evidence shows another {fields}"] if fields else []
    return problems
