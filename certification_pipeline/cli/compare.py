"""``certify compare``: the engines of a release in turns, against raw COPY."""

from __future__ import annotations

from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE, INTERRUPTED
from certification_pipeline.cli.options import Format


def compare(
    *,
    engine: options.Engines = None,
    release_id: options.ReleaseId = None,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=60, help="Rows a load.")] = 10_000,
    turns: Annotated[
        int, typer.Option("--turns", metavar="N", min=3, help="Measured loads of each engine.")
    ] = 3,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Measure a full refresh of every engine of a release, one after the other, beside raw COPY.

    Writes comparison.json and comparison.md. On a machine that does nothing else; it decides nothing.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.cli.output import console, emit, show  # noqa: PLC0415
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.gates.attested_pages import ReleaseDir  # noqa: PLC0415
    from certification_pipeline.gates.seal import seal_pages  # noqa: PLC0415
    from certification_pipeline.report.comparison import speed_line, speed_table, write_comparison  # noqa: PLC0415
    from certification_pipeline.report.loading import load_release  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store, chosen, names = open_release(evidence_dir, release_id, engine)
    settings = load_settings(evidence_dir=store.root, release_id=chosen)
    signer = settings.signer()
    from certification_pipeline.families.benchmark.pairs import Interrupted  # noqa: PLC0415 - heavy
    from certification_pipeline.pipeline.comparison import compare_engines  # noqa: PLC0415

    with cancelled_by_signals() as cancel, RunProgress() as progress:
        try:
            made = compare_engines(
                settings, load_catalog(), names, progress.on_event, cancel, rows=rows, turns=turns
            )
        except Interrupted as error:
            typer.echo(f"Stopped: {error}", err=True)
            raise typer.Exit(INTERRUPTED) from None
    write_comparison(load_release(store, chosen), store)
    seal_pages(ReleaseDir.of(store, chosen), signer)
    if form is Format.JSON:
        emit(made.model_dump(mode="json"))
    else:
        show(speed_table(made), form, index=False)
        console().print(speed_line(made), highlight=False)
    raise typer.Exit(0 if any(one.wall for one in made.subjects) else INCONCLUSIVE)
