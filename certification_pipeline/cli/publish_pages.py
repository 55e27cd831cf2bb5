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
    from certification_pipeline.cli.published import (  # noqa: PLC0415 - lazy on purpose
        problems_published,
        publish_release,
    )
    from certification_pipeline.report.published_pages import write_pages  # noqa: PLC0415

    root = repository.absolute()
    if check:
        problems = problems_published(root, evidence_dir, key, from_records=draw)
        for problem in problems:
            typer.echo(f"✗ {problem}")
        if not problems:
            typer.echo("✓ what is published is what its records say")
        raise typer.Exit(int(bool(problems)))
    if not draw:
        for record in publish_release(root, evidence_dir, release_id, engine, key):
            typer.echo(record)
    for path in write_pages(root):
        typer.echo(path)
