"""``certify guarantees``: what is declared, and what broken loads showed."""

from __future__ import annotations

from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format


def guarantees(
    *,
    declared: Annotated[
        bool, typer.Option("--declared", help="The documents' tables, recomputed; looks at no release.")
    ] = False,
    engine: options.Engines = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show declared and observed delivery guarantees of a release, the disproved first.

    Exits 1 when one was disproved, 3 when fewer than sixty kills speak for one.
    `certify matrix --scenario 'deliv.*'` makes the kills.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.guarantees import declared_frames, guarantees_outcome, observed_frame  # noqa: PLC0415
    from certification_pipeline.report.loading import load_release  # noqa: PLC0415

    if declared:
        show(declared_frames(load_catalog()), form, index=False)
        return
    store, chosen, names = open_release(evidence_dir, release_id, engine)
    release = load_release(store, chosen, engines=names)
    nothing = "no load of this release was broken; `certify matrix --scenario 'deliv.*'` does it"
    show(observed_frame(release), form, index=False, empty=nothing)
    raise typer.Exit(exit_code(guarantees_outcome(release)))
