"""``certify findings``: which red cells are explained, what is written down, and showing it again."""

from __future__ import annotations

import tempfile
import threading
import uuid
from pathlib import Path
from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE
from certification_pipeline.cli.options import Format

findings_app = typer.Typer(
    invoke_without_command=True, help="Red cells and the findings that explain them, unexplained ones first."
)


@findings_app.callback()
def findings(
    context: typer.Context,
    engine: options.Engines = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show every red cell of a release with its finding. Exits 1 when one has none."""
    if context.invoked_subcommand is not None:
        return
    from certification_pipeline.catalog.findings import load_findings  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.report.findings import findings_table, red_lines  # noqa: PLC0415
    from certification_pipeline.report.loading import load_release  # noqa: PLC0415

    load_findings(load_catalog())  # what is wrong with them is told here, not in every report
    store, chosen, names = open_release(evidence_dir, release_id, engine)
    lines = red_lines(load_release(store, chosen, engines=names))
    show(findings_table(lines), form, index=False, empty="no cell is red")
    raise typer.Exit(int(any(not line.findings for line in lines)))


@findings_app.command("list")
def findings_list(engine: options.Engines = None, form: options.Formatted = Format.TABLE) -> None:
    """Show what is written down, whether a release shows it or not."""
    from certification_pipeline.catalog.findings import load_findings  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415
    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.report.findings import known_table  # noqa: PLC0415
    from certification_pipeline.settings import matching_engines  # noqa: PLC0415

    known = load_findings(load_catalog())
    wanted = [one for one in known if not engine or matching_engines(engine, (one.engine,))]
    show(known_table(wanted), form, index=False, empty="no finding is written down")


@findings_app.command("reproduce")
def findings_reproduce(
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="e.g. dlt-04, or 'dlt-*'")],
) -> None:
    """Run a finding's script outside of this harness, against an empty PostgreSQL database.

    Exits 0 when all showed their defect, 1 when one did not, 3 when one broke.
    """
    from fnmatch import fnmatchcase  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.catalog.findings import load_findings  # noqa: PLC0415
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415
    from certification_pipeline.harness.engines.venv import EngineUnavailable  # noqa: PLC0415
    from certification_pipeline.harness.reproduction import Shown, empty_database, reproduce  # noqa: PLC0415
    from certification_pipeline.harness.workshop import open_workshop  # noqa: PLC0415
    from certification_pipeline.report.visible import visible  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError, must_match  # noqa: PLC0415

    catalog = load_catalog()
    known = {finding.id: finding for finding in load_findings(catalog)}
    must_match("finding", names, known, option=False)
    chosen = [known[name] for name in known if any(fnmatchcase(name, pattern) for pattern in names)]
    if absent := [finding.reproduction for finding in chosen if not finding.script.is_file()]:
        raise SettingsError(
            f"docs/findings/{absent[0]} is not there", "run this in a checkout of the project"
        )
    shown: list[Shown] = []
    with open_workshop(
        catalog,
        run_id=uuid.uuid4().hex,
        systems=("postgres",),
        engines={},
        on_event=lambda _: None,
        cancel=threading.Event(),
    ) as shop:
        if "postgres" not in shop.services:
            raise SettingsError("no PostgreSQL can be started here", "see `certify doctor`")
        admin = shop.services["postgres"].source().dsn
        for finding in chosen:
            with empty_database(admin) as dsn, tempfile.TemporaryDirectory(dir=shop.work_dir) as folder:
                try:
                    made = reproduce(finding.script, dsn, Path(folder), shop.guardian, shop.redactor)
                except EngineUnavailable as error:
                    typer.echo(f"{finding.id}: {Shown.BROKE}: {error}", err=True)
                    shown.append(Shown.BROKE)
                    continue
            shown.append(made.shown)
            lines = [visible(line) for line in made.said.splitlines()]
            typer.echo(f"{finding.id}: {made.shown} in {made.seconds:.1f} s: {finding.title}")
            for line in lines if made.shown is not Shown.REPRODUCED else lines[-1:]:
                typer.echo(f"    {line}")
    if Shown.BROKE in shown:
        raise typer.Exit(INCONCLUSIVE)
    raise typer.Exit(int(Shown.NOT_REPRODUCED in shown))
