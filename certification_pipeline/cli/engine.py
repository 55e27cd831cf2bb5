"""``certify engine``: the engines there are, whether one keeps the protocol, a driver to begin with."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.catalog.catalog import Catalog
    from certification_pipeline.harness.conformance.checks import Report

engine_app = typer.Typer(no_args_is_help=True, help="The engines the catalogue knows, and your own.")


@engine_app.command("list")
def engine_list(form: options.Formatted = Format.TABLE) -> None:
    """All engines, with their routes and strategies."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.report.catalogue import engines_table  # noqa: PLC0415

    show(engines_table(load_catalog()), form, index=False)


@engine_app.command("check")
def engine_check(
    name: Annotated[str, typer.Argument(help="An engine's id, or the folder of your own.")],
    form: options.Formatted = Format.TABLE,
) -> None:
    """Check a driver against the engine protocol, in a real conversation with a real load.

    Exits 0 when it keeps the protocol, 1 when not, 3 when some of it could not be asked here.
    """
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.harness.conformance.check import check_engine  # noqa: PLC0415

    catalog, engine = _named(name)
    report = check_engine(catalog, engine, lambda _: None)
    if form is Format.JSON:
        emit(
            {
                "engine": report.engine,
                "version": report.version,
                "route": report.route,
                "strategy": report.strategy,
                "outcome": report.outcome.value,
                "checks": [
                    {
                        "check": one.check.id,
                        "asks": one.check.asks,
                        "outcome": one.outcome.value,
                        "seen": one.seen,
                        "remedy": one.check.remedy,
                    }
                    for one in report
                ],
            }
        )
    else:
        _show(report)
    raise typer.Exit(exit_code(report.outcome))


class Lang(StrEnum):
    """What a driver is written in."""

    PYTHON = "python"
    SHELL = "shell"


@engine_app.command("scaffold")
def engine_scaffold(
    name: Annotated[str, typer.Argument(help="The engine's id: lower-case letters, digits and '_'.")],
    lang: Annotated[Lang, typer.Option("--lang", help="What the driver is written in.")] = Lang.PYTHON,
    directory: Annotated[
        Path | None, typer.Option("--directory", metavar="DIR", help="Where. [engines]")
    ] = None,
) -> None:
    """Write a driver that runs, its catalogue entry and a README into engines/NAME."""
    from certification_pipeline.catalog.loading import ENGINE_ID, load_catalog  # noqa: PLC0415 - lazy
    from certification_pipeline.catalog.outside import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE  # noqa: PLC0415
    from certification_pipeline.harness.engines.scaffolding import scaffold  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError  # noqa: PLC0415

    if not ENGINE_ID.fullmatch(name):
        raise SettingsError(f"'{name}' cannot be an engine's id", "use lower-case letters, digits and '_'")
    if name in load_catalog().engines:
        raise SettingsError(f"there is an engine '{name}' already", "choose another name")
    place = directory or Path(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY)
    try:
        made = scaffold(name, lang.value, place)
    except FileExistsError:
        raise SettingsError(f"{place / name} is there already", "choose another name, or remove it") from None
    for path in made:
        typer.echo(path)
    typer.echo(f"\nGo on with: certify engine check {name if directory is None else place / name}")


def _named(name: str) -> tuple[Catalog, str]:
    """The catalogue and the id in it. A path is a folder with an ``engine.yaml``, wherever it lies."""
    from certification_pipeline.catalog.engines import unversioned  # noqa: PLC0415
    from certification_pipeline.catalog.loading import load_catalog, load_with  # noqa: PLC0415 - lazy
    from certification_pipeline.catalog.outside import ENTRY  # noqa: PLC0415
    from certification_pipeline.settings import RunSettings, SettingsError, must_match  # noqa: PLC0415

    folder = Path(name)
    if (os.sep in name or name.startswith(".")) and (folder / ENTRY).is_file():
        folder = folder.absolute()
        return load_with((folder / ENTRY,)), folder.name
    catalog = load_catalog()
    base = unversioned(name)
    must_match("engine", (base,), catalog.engines, option=False)
    if base not in catalog.engines:
        raise SettingsError(f"'{name}' is a pattern", "name one engine")
    RunSettings(engines=(name,)).check(catalog)
    return catalog, name


def _show(report: Report) -> None:
    import pandas as pd  # noqa: PLC0415 - heavy

    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415
    from certification_pipeline.cli.output import console  # noqa: PLC0415
    from certification_pipeline.report.tally import SYMBOL  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_frame  # noqa: PLC0415

    rows = [
        {"": f"{SYMBOL[one.outcome]} {one.outcome.value}", "check": one.check.id, "seen": one.seen}
        for one in report
    ]
    print_frame(console(), pd.DataFrame(rows), index=False)
    typer.echo("")
    held = sum(one.outcome is Outcome.PASSED for one in report)
    asked = sum(one.outcome is not Outcome.INAPPLICABLE for one in report)
    where = f" on {report.route}, {report.strategy}" if report.route else ""
    typer.echo(f"{report.engine} {report.version}: {held} of {asked} checks hold{where}.")
    for one in report:
        if one.outcome is Outcome.FAILED:
            typer.echo(f"\n{one.check.id}: {one.check.asks}\n  → {one.check.remedy}")
    if report.outcome is Outcome.PASSED:
        typer.echo(f"Go on with: certify run --engine {report.engine}")
    elif report.outcome is not Outcome.FAILED:
        typer.echo("Inconclusive: see what is untested above, and `certify doctor`.")
