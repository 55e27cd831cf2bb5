"""``certify upgrades``: which versions of engines there are, and which are certified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.pipeline.upgrades.watch import Watched

Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", metavar="GLOB", help="Only these of the catalogue; repeatable. [all]"),
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
