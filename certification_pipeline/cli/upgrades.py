"""``certify upgrades``: which versions of engines there are; ``certify upgrade``: one of them as a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE, INTERRUPTED
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.pipeline.upgrades.watch import Watched
    from certification_pipeline.report.upgrade import Upgrade

Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", metavar="GLOB", help="Only these of the catalogue; repeatable. [all]"),
]

NamedRelease = Annotated[
    str | None,
    typer.Option("--release-id", metavar="ID", help="Name the release. [upgrade-<engine>-<version>]"),
]


def upgrades(
    *,
    engine: Engines = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Ask the package index for new versions of engines: which are certified, and how to certify the rest.

    The index is CERTIFY_INDEX_URL, else whatever uv is configured with. Exits 3 when it could not be asked.
    """
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose

    found = _watched(engine or ["all"], evidence_dir)
    if form is Format.JSON:
        emit([one.document() for one in found])
    else:
        _print(found)
    unanswered = any(one.package and one.verdict == "unknown" for one in found)
    raise typer.Exit(INCONCLUSIVE if unanswered else 0)


def upgrade(
    version: Annotated[str, typer.Argument(metavar="ENGINE==VERSION", help="E.g. 'dlt==1.31.0'.")],
    *,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="ID", help="The release to compare with. [of the highest version below]"
        ),
    ] = None,
    profile: options.Profile = None,
    route: options.Routes = None,
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    rows: options.Rows = None,
    seed: options.Seed = None,
    release_id: NamedRelease = None,
    workers: options.Workers = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Certify a new version with the cells, rows and seed of the version before, and compare the two.

    It also goes on from the state of a version before (compat.upgrade). With filters, rows or a seed of your
    own, and where none before is certified, both are run. Exits 1 when a cell that passed does not any more.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(
        engines=(version,),
        profile=profile,
        routes=route,
        strategies=strategy,
        scenarios=scenario,
        rows=rows,
        seed=seed,
        release_id=release_id,
        workers=workers,
        evidence_dir=evidence_dir,
    )
    sized = any(given is not None for given in (profile, route, strategy, scenario, rows, seed))
    catalog = load_catalog()
    settings.check(catalog)
    from certification_pipeline.pipeline.upgrades.certify import certify_upgrade  # noqa: PLC0415 - heavy

    with cancelled_by_signals() as cancel, RunProgress() as progress:
        made = certify_upgrade(
            settings, catalog, progress.on_event, cancel, against=against, both=sized and against is None
        )
    if form is Format.JSON:
        emit(made.document())
    else:
        _print_upgrade(made, settings.evidence_dir)
    raise typer.Exit(INTERRUPTED if cancel.is_set() else exit_code(made.outcome))


def _print_upgrade(made: Upgrade, evidence_dir: Path) -> None:
    from rich.text import Text  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.diff import print_diff  # noqa: PLC0415
    from certification_pipeline.cli.output import console  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.report.tally import SYMBOL  # noqa: PLC0415
    from certification_pipeline.report.terminal import STYLE, print_frame  # noqa: PLC0415
    from certification_pipeline.report.upgrade import UPGRADE_PAGE, state_table  # noqa: PLC0415
    from certification_pipeline.report.visible import visible  # noqa: PLC0415

    screen = console()
    print_diff(made.diff)
    screen.print(f"\nState of an earlier version. {visible(made.note)}", markup=False, highlight=False)
    if made.resumed:
        print_frame(screen, state_table(made), index=False)
    screen.print(Text(f"\n{SYMBOL[made.outcome]} {made.said}", STYLE[made.outcome]))
    page = EvidenceStore(evidence_dir).release_path(made.after.plan.release_id) / UPGRADE_PAGE
    screen.print(f"  → {page}", markup=False, highlight=False, soft_wrap=True)


def _watched(engines: list[str], evidence_dir: Path | None) -> tuple[Watched, ...]:
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.pipeline.upgrades.configured import configured_index  # noqa: PLC0415
    from certification_pipeline.pipeline.upgrades.watch import watch  # noqa: PLC0415
    from certification_pipeline.settings import (  # noqa: PLC0415
        ALL_ENGINES,
        load_settings,
        matching_engines,
        must_match,
    )

    catalog = load_catalog()
    must_match("engine", (name for name in engines if name != ALL_ENGINES), catalog.engines)
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    return watch(catalog, matching_engines(engines, catalog.engines), store, configured_index())


def _print(found: tuple[Watched, ...]) -> None:
    from certification_pipeline.cli.output import console  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.pipeline.upgrades.shown import upgrades_table  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_frame  # noqa: PLC0415
    from certification_pipeline.report.visible import visible  # noqa: PLC0415

    screen = console()
    print_frame(screen, upgrades_table(found), index=False)
    commands = list(dict.fromkeys(one.command for one in found if one.command))
    for command in commands:
        screen.print(f"  → {visible(command)}", markup=False, highlight=False)
