"""Commands that only look: ``show``, ``report``, ``scenario``, ``catalog``, ``doctor``."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.report.release import ReleaseView

scenario_app = typer.Typer(no_args_is_help=True, help="What is done in a cell, and what it takes to pass.")
catalog_app = typer.Typer(no_args_is_help=True, help="The catalogue: what is certified.")


class By(StrEnum):
    """The other axis of the matrix."""

    STRATEGY = "strategy"
    SCENARIO = "scenario"
    ENGINE = "engine"
    CELL = "cell"
    SEEDS = "seeds"
    CRASH_POINT = "crash-point"


def show(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    route: options.Routes = None,
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    by: Annotated[
        By,
        typer.Option(
            "--by",
            help="Routes by strategy or scenario, engines side by side, every cell, the seeds', or where "
            "crashes are safe.",
        ),
    ] = By.STRATEGY,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show a release's matrix. Starts nothing; exits as the release's verdict says."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import show as print_table  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.loading import load_release  # noqa: PLC0415
    from certification_pipeline.report.release import Selection  # noqa: PLC0415
    from certification_pipeline.report.tables import Axis, cells_table, release_matrix, release_seeds_matrix  # noqa: PLC0415

    store, chosen, names = open_release(evidence_dir, release_id, engine)
    whole = load_release(store, chosen, engines=names)
    selection = Selection((), tuple(route or ()), tuple(strategy or ()), tuple(scenario or ()))
    release = whole.select(selection)
    nothing = "no cell matches; `certify show` without filters shows what there is"
    if by is By.CELL:
        lines = [line for subject in release.subjects for line in subject.lines]
        print_table(cells_table(lines), form, index=False, empty=nothing)
    elif by is By.ENGINE:
        from certification_pipeline.report.comparison import side_by_side, with_a_say  # noqa: PLC0415

        # A screen is narrow: which finding explains a red cell is in `--by cell` and in the report.
        frame = side_by_side(release, known=form is Format.JSON)
        print_table(with_a_say(frame) if form is Format.TABLE else frame, form, index=False, empty=nothing)
    elif by is By.CRASH_POINT:
        from certification_pipeline.cli.output import console  # noqa: PLC0415
        from certification_pipeline.report.crash import crash_views, delivery_views, trials_table  # noqa: PLC0415
        from certification_pipeline.report.crash_text import print_crash_lines  # noqa: PLC0415

        lines = [line for subject in release.subjects for line in subject.lines]
        if form is Format.JSON:
            print_table(trials_table(crash_views(lines)), form, index=False)
        else:
            print_crash_lines(console(), crash_views(lines), delivery_views(lines))
    elif by is By.SEEDS:
        print_table(release_seeds_matrix(release, load_catalog().matrix), form, index=False)
    else:
        axis: Axis = "strategy" if by is By.STRATEGY else "scenario"
        print_table(release_matrix(release, axis), form, index=False, empty=nothing)
    _say_who_judged(whole)
    raise typer.Exit(exit_code(whole.outcome))


def _say_who_judged(release: ReleaseView) -> None:
    """Why a release that another version found green exits here as it does: the rules may have changed."""
    from certification_pipeline.evidence.provenance import stamp  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.verify.judge import install, named, same_judge  # noqa: PLC0415

    here = stamp("show").producer
    for subject in release.subjects:
        made = subject.plan.producer
        if subject.outcome is not Outcome.PASSED and not same_judge(made, here):
            typer.echo(
                f"{subject.subject.engine}: judged by {named(made)}; recomputed by {named(here)} it is "
                f"{subject.outcome.value}: {subject.blockers[0].message if subject.blockers else 'no reason'}"
                f"\n  → {install(made)}, or begin a new release: certify run",
                err=True,
            )


def report(
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where to write it. [in the release]")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it when done.")] = False,
) -> None:
    """Write the HTML report of a release again."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.report.loading import load_release  # noqa: PLC0415
    from certification_pipeline.report.pages import write_pages  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store, chosen, names = open_release(evidence_dir, release_id, None)
    signer = load_settings(evidence_dir=evidence_dir).signer()
    page = output or store.release_path(chosen) / "report.html"
    release = load_release(store, chosen, engines=names)
    write_pages(release, load_catalog(), store, page, signer=signer)
    typer.echo(page)
    if open_:
        typer.launch(page.resolve().as_uri())


@scenario_app.command("list")
def scenario_list(form: options.Formatted = Format.TABLE) -> None:
    """All scenarios."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import show as print_table  # noqa: PLC0415
    from certification_pipeline.report.catalogue import scenarios_table  # noqa: PLC0415

    print_table(scenarios_table(load_catalog()), form, index=False)


@scenario_app.command("show")
def scenario_show(name: Annotated[str, typer.Argument(help="e.g. incr.cursor_ties, or 'incr.*'")]) -> None:
    """Purpose, method, pass criterion and remedy."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import console  # noqa: PLC0415
    from certification_pipeline.report.catalogue import print_scenario  # noqa: PLC0415
    from certification_pipeline.settings import must_match  # noqa: PLC0415

    catalog = load_catalog()
    must_match("scenario", (name,), catalog.scenarios, option=False)
    for found in (one for one in catalog.scenarios.values() if fnmatchcase(one.id, name)):
        print_scenario(console(), found)


@catalog_app.command("check")
def catalog_check(
    directory: Annotated[Path | None, typer.Argument(help="[the packaged catalogue]")] = None,
) -> None:
    """Check a catalogue; every problem with file, line, field and remedy."""
    from certification_pipeline.catalog.loading import catalog_digest, load_catalog  # noqa: PLC0415 - lazy
    from certification_pipeline.report.catalogue import catalogue_line  # noqa: PLC0415

    catalog = load_catalog(directory)
    typer.echo(f"{catalogue_line(catalog)}\n{catalog_digest(catalog)}")


def doctor(
    profile: options.Profile = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Say what is missing here, and what would help."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.doctor import diagnose, findings_table  # noqa: PLC0415
    from certification_pipeline.cli.errors import INCONCLUSIVE  # noqa: PLC0415
    from certification_pipeline.cli.output import show as print_table  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(profile=profile, evidence_dir=evidence_dir)
    catalog = load_catalog()
    settings.check(catalog)
    findings = diagnose(catalog, settings)
    print_table(findings_table(findings), form, index=False)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(INCONCLUSIVE)
