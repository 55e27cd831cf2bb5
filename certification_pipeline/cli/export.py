"""``certify export``: a release in formats that other tools read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from certification_pipeline.cli import options


class Target(StrEnum):
    """Formats there are."""

    JUNIT = "junit"
    CTRF = "ctrf"


def export(
    *,
    to: Annotated[Target, typer.Option("--to", help="JUnit XML, or CTRF JSON (ctrf.io).")],
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it. [standard output]")
    ] = None,
) -> None:
    """Write a release for other tools: a test a cell, and the release gate's decision as tests of its own.

    Every outcome is recomputed first. Exits 0 when it is written, whatever the release is worth.
    """
    from uuid import uuid4  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.evidence.exports.ctrf import ctrf_json  # noqa: PLC0415
    from certification_pipeline.evidence.exports.junit import junit_xml  # noqa: PLC0415
    from certification_pipeline.evidence.files import write_atomically  # noqa: PLC0415
    from certification_pipeline.evidence.provenance import stamp  # noqa: PLC0415
    from certification_pipeline.gates.exported import exported  # noqa: PLC0415

    store, chosen, names = open_release(evidence_dir, release_id, engine)
    made = stamp(str(uuid4()))
    subjects = [exported(store.release(chosen, name), made) for name in names]
    data = junit_xml(subjects) if to is Target.JUNIT else ctrf_json(subjects, made)
    if out is None:
        typer.echo(data, nl=False)
    else:
        write_atomically(out.absolute(), data)
        typer.echo(out)
