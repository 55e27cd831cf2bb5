"""``certify badges``: what a release may be said to be, drawn from evidence verified at this moment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format


def badges(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    key: options.Keys = None,
    evidence_dir: options.EvidenceDir = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where to put them. [badges, beside the releases]"),
    ] = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Draw badges as SVG and as shields' endpoint JSON: release, routes, levels, guarantees, calibration.

    Evidence that does not verify, or that none of the keys given signed, makes them red; evidence that is too
    old grey. Exits 1 when one is red.
    """
    from uuid import uuid4  # noqa: PLC0415 - lazy on purpose

    import pandas as pd  # noqa: PLC0415

    from certification_pipeline.cli.evidence import open_release, trusted_keys  # noqa: PLC0415
    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.evidence.provenance import stamp  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.report.badge_files import write_badges  # noqa: PLC0415
    from certification_pipeline.report.badge_svg import Colour  # noqa: PLC0415
    from certification_pipeline.report.current_badges import current_badges  # noqa: PLC0415

    store, chosen, names = open_release(evidence_dir, release_id, engine)
    trusted, signed_by = trusted_keys(evidence_dir, key), read_public_keys(key or ())
    place = out or store.root / "badges"
    decided = stamp(str(uuid4()))
    made = [
        (name, badge)
        for name in names
        for badge in write_badges(
            place,
            name,
            current_badges(store, chosen, name, place, decided, trusted=trusted, signed_by=signed_by),
            decided.created_at,
        )
    ]
    rows = [
        (name, badge.label, badge.message, badge.colour.name.lower(), str(place / name / f"{badge.name}.svg"))
        for name, badge in made
    ]
    show(pd.DataFrame(rows, columns=["engine", "label", "message", "colour", "file"]), form, index=False)
    raise typer.Exit(int(any(badge.colour is Colour.RED for _, badge in made)))
