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

    With a signing key (CERTIFY_SIGNING_KEY_FILE) it signs what that key's release says. With --check and
    evidence of a published release at hand, its record is made again and compared, too.
    """
    from certification_pipeline.report.published_pages import write_pages  # noqa: PLC0415 - lazy on purpose

    root = repository.absolute()
    if check:
        problems = _problems(root, evidence_dir, key, from_records=draw)
        for problem in problems:
            typer.echo(f"✗ {problem}")
        if not problems:
            typer.echo("✓ what is published is what its records say")
        raise typer.Exit(int(bool(problems)))
    if not draw:
        for record in _published(root, evidence_dir, release_id, engine, key):
            typer.echo(record)
    for path in write_pages(root):
        typer.echo(path)


def _published(
    root: Path,
    evidence_dir: Path | None,
    release_id: str | None,
    engines: list[str] | None,
    keys: list[str] | None,
) -> list[Path]:
    from certification_pipeline.cli.evidence import open_release, trusted_keys  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.report.publishing import publish_release  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store, chosen, names = open_release(evidence_dir, release_id, engines)
    signer = load_settings(evidence_dir=evidence_dir).signer()
    given, trusted = read_public_keys(keys or ()), trusted_keys(evidence_dir, keys)
    paths = publish_release(root, store, chosen, names, signer=signer, keys=given, trusted=trusted)
    left = [name for name in store.engines(chosen) if name not in names]
    if left:
        _tell(f"of release {chosen} not published: {', '.join(left)}")
    return paths


def _problems(
    root: Path, evidence_dir: Path | None, keys: list[str] | None, *, from_records: bool
) -> list[str]:
    from certification_pipeline.cli.evidence import trusted_keys  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.errors import EvidenceError  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.report.published_pages import read_records, stale_pages  # noqa: PLC0415
    from certification_pipeline.report.publishing import against_evidence, expired  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    problems = list(stale_pages(root, read_public_keys(keys or ())))
    try:
        records = read_records(root)
    except EvidenceError:
        return problems  # which tell it
    for told in expired(records):
        _tell(told)
    if from_records:
        return problems
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    return [*problems, *against_evidence(records, store, trusted_keys(evidence_dir, keys), _tell)]


def _tell(said: str) -> None:
    typer.echo(f"– {said}", err=True)
