"""``certify diff``: two subjects of a release, or one engine in two releases; two versions are run first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INTERRUPTED
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.report.diff import SubjectDiff

SHOWN = 40
"""Rows of a table on the terminal; all are in ``--format json``."""


def diff(
    *,
    engine: Annotated[
        list[str] | None,
        typer.Option("--engine", metavar="NAME", help="Before and after; or one engine, in two releases."),
    ] = None,
    release_id: Annotated[
        list[str] | None,
        typer.Option(
            "--release-id", metavar="ID", help="Twice: before and after. Once: the release of both."
        ),
    ] = None,
    profile: options.Profile = None,
    route: options.Routes = None,
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    rows: options.Rows = None,
    seed: options.Seed = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Compare cell by cell: fixed, broke, fails otherwise, only on one side.

    Two engines that no release has both of (`dlt==1.30.0` and `dlt==1.31.0`) are run first, into one release.
    Exits 1 when a cell that passed does not any more, 3 when nothing could be compared.
    """
    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import sides_to_compare  # noqa: PLC0415
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.cli.run import carried_out  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.diff import compare_subjects  # noqa: PLC0415
    from certification_pipeline.report.loading import load_subject  # noqa: PLC0415
    from certification_pipeline.report.release import Selection  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError, load_settings  # noqa: PLC0415

    engines, releases = tuple(engine or ()), tuple(release_id or ())
    chosen = Selection((), tuple(route or ()), tuple(strategy or ()), tuple(scenario or ()))
    store, pairs = sides_to_compare(evidence_dir, engines, releases)
    if not pairs:
        if len(engines) != 2 or len(releases) > 1:  # noqa: PLR2004 - before and after
            raise SettingsError(
                "--engine: two engines, or two releases, are needed to compare",
                "certify diff --engine A --engine B, or certify diff --release-id A --release-id B",
            )
        settings = load_settings(
            profile=profile,
            engines=engines,
            routes=route,
            strategies=strategy,
            scenarios=scenario,
            families=("matrix",),
            rows=rows,
            seed=seed,
            release_id=releases[0] if releases else None,
            evidence_dir=evidence_dir,
        )
        if carried_out(settings).cancelled:
            raise typer.Exit(INTERRUPTED)
        pairs = [((settings.release_id, engines[0]), (settings.release_id, engines[1]))]
    found = [
        compare_subjects(*(load_subject(store.release(*side)).select(chosen) for side in pair))
        for pair in pairs
    ]
    if form is Format.JSON:
        emit([each.document() for each in found])
    else:
        for each in found:
            print_diff(each)
    raise typer.Exit(exit_code(Outcome.worst(each.outcome for each in found)))


def print_diff(diff: SubjectDiff) -> None:
    """Which sides, how many cells of each kind, then what differs, the worst first."""
    from rich.text import Text  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.output import console  # noqa: PLC0415
    from certification_pipeline.report.diff import Change, changes_table, facts_table  # noqa: PLC0415
    from certification_pipeline.report.tally import SYMBOL  # noqa: PLC0415
    from certification_pipeline.report.terminal import STYLE, name_of, print_frame  # noqa: PLC0415

    to = console()
    before, after = diff.before, diff.after
    left, right = (f"{name_of(side)} in {side.plan.release_id}" for side in (before, after))
    to.print(Text(f"\n{left}  →  {right}", "bold"), soft_wrap=True)
    regressed = len(diff.regressions)
    said = f"{regressed} cells that passed do not any more" if regressed else "no regression"
    if not diff.compared:
        said = "no cell has a verdict on both sides"
    to.print(Text(f"{SYMBOL[diff.outcome]} {said}; {diff.compared} cells compared", STYLE[diff.outcome]))
    to.print(Text(", ".join(f"{number} {kind.value}" for kind, number in diff.counts.items())))
    for frame, what in ((facts_table(diff), "facts"), (changes_table(diff), "cells")):
        if what == "cells":
            frame = frame[~frame["what"].isin([Change.OTHER, Change.ONLY_BEFORE, Change.ONLY_AFTER])]  # noqa: PLW2901
        if frame.empty:
            continue
        to.print()
        print_frame(to, frame.head(SHOWN), index=False)
        if len(frame) > SHOWN:
            to.print(Text(f"… and {len(frame) - SHOWN} more {what}, with --format json", "dim"))
