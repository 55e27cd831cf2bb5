"""``certify calibrate``: who certifies the certifier."""

from __future__ import annotations

from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE, INTERRUPTED
from certification_pipeline.cli.options import Format

Defects = Annotated[
    list[str] | None, typer.Option("--defect", metavar="GLOB", help="Only these defects; repeatable.")
]
Clean = Annotated[
    int,
    typer.Option("--clean", metavar="N", min=1, help="Run the clean engine's cells N times: false alarms."),
]


def calibrate(
    *,
    defect: Defects = None,
    scenario: options.Scenarios = None,
    clean: Clean = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only trials of this bench that have no verdict yet.")
    ] = False,
    workers: options.Workers = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Plant every defect in the reference engine: each must be seen, and each scenario must see one.

    Keeps the calibration beside the releases, which rest on it. Exits 1 when a defect survived.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.calibration_progress import CalibrationProgress  # noqa: PLC0415
    from certification_pipeline.cli.output import console, emit, show  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.pipeline.calibrate import Asked  # noqa: PLC0415 - heavy
    from certification_pipeline.pipeline.calibrate import calibrate as run_calibration  # noqa: PLC0415
    from certification_pipeline.report.calibration import fates_frame, in_a_line, scenario_kills  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(evidence_dir=evidence_dir, workers=workers)
    asked = Asked(
        evidence_dir=settings.evidence_dir,
        workers=settings.workers,
        defects=tuple(defect or ()),
        scenarios=tuple(scenario or ()),
        clean=clean,
        resume=resume,
    )
    with cancelled_by_signals() as cancel, CalibrationProgress() as progress:
        made = run_calibration(asked, load_catalog(), progress.on_event, cancel, progress.on_trial)
    if form is Format.JSON:
        emit(made.model_dump(mode="json", exclude={"trials"}))
    else:
        show(fates_frame(made), form, index=False)
        show(scenario_kills(made), form, index=False)
        typer.echo(in_a_line(made))
        print_decision(console(), made)
    if cancel.is_set():
        typer.echo("Stopped; go on with: certify calibrate --resume", err=True)
        raise typer.Exit(INTERRUPTED)
    if not made.trials:
        raise typer.Exit(INCONCLUSIVE)
    raise typer.Exit(exit_code(made.outcome))
