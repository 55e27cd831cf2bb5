"""``certify dpone``: dpone's own artifacts as claims, recomputed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format


def dpone(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where `dpone ops …` wrote; searched to the bottom.")
    ],
    *,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Read dpone's certification artifacts as claims and recompute what can be. Reads only.

    Exits 1 when a claim is contradicted, 3 when something it says cannot be shown. A claim that cannot be
    recomputed is never passed.
    """
    from certification_pipeline.cli.output import console, emit, show  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.foreign.dpone.examine import dpone_claims  # noqa: PLC0415
    from certification_pipeline.redaction import Redactor  # noqa: PLC0415
    from certification_pipeline.report.foreign import artifacts_frame, contradictions, in_one_line, left_out  # noqa: PLC0415

    # Commands, paths and messages of somebody else's may hold a password: what is shown of them does not.
    report = dpone_claims(directory)
    report = type(report).model_validate(Redactor().redact(report.model_dump()))
    if form is Format.JSON:
        emit(report.model_dump(mode="json"))
    else:
        show(artifacts_frame(report), form, index=False)
        screen = console()
        for line in contradictions(report):
            screen.print(f"✗ {line}", markup=False, highlight=False, soft_wrap=True)
        for line in left_out(report):
            screen.print(f"? {line}", markup=False, highlight=False, soft_wrap=True)
        screen.print(in_one_line(report), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(exit_code(report.outcome))
