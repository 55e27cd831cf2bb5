"""``certify run``, ``certify matrix`` and ``certify plan``."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INTERRUPTED
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.catalog.catalog import Catalog
    from certification_pipeline.report.release import ReleaseView
    from certification_pipeline.settings import RunSettings

NamedRelease = Annotated[
    str | None, typer.Option("--release-id", metavar="ID", help="Name the release. [local-<time>]")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="With --release-id: only cells that have no verdict yet.")
]
Triggered = Annotated[
    str | None,
    typer.Option(
        "--trigger",
        metavar="schedule|manual",
        help="Who begins the release; only a timetable's count for a soak. [manual]",
    ),
]
SigningKey = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="The private key that signs the evidence, as CERTIFY_SIGNING_KEY_FILE. [unsigned]",
    ),
]
Report = Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML report.")]
Open = Annotated[bool, typer.Option("--open", help="Open the HTML report when done.")]


def run(
    *,
    profile: options.Profile = None,
    engine: options.Engines = None,
    route: options.Routes = None,
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    family: options.Families = None,
    rows: options.Rows = None,
    seed: options.Seed = None,
    release_id: NamedRelease = None,
    resume: Resume = False,
    trigger: Triggered = None,
    workers: options.Workers = None,
    evidence_dir: options.EvidenceDir = None,
    require_benchmark: options.RequireBenchmark = False,
    require_lineage: options.RequireLineage = False,
    require_dbt_lineage: options.RequireDbtLineage = False,
    require_strategy_certification: options.RequireStrategy = False,
    require_evidence: options.RequireEvidence = False,
    key: SigningKey = None,
    form: options.Formatted = Format.TABLE,
    report: Report = True,
    open_: Open = False,
) -> None:
    """Plan, move real rows, judge them, decide, report.

    Ends with one screen: what is certified, what is not and why, what to do next.
    """
    from certification_pipeline.settings import load_settings  # noqa: PLC0415 - lazy on purpose

    settings = load_settings(
        profile=profile,
        engines=engine,
        routes=route,
        strategies=strategy,
        scenarios=scenario,
        families=family,
        rows=rows,
        seed=seed,
        release_id=release_id,
        resume=resume or None,
        trigger=trigger,
        workers=workers,
        evidence_dir=evidence_dir,
        require_benchmark=require_benchmark or None,
        require_lineage=require_lineage or None,
        require_dbt_lineage=require_dbt_lineage or None,
        require_strategy_certification=require_strategy_certification or None,
        require_evidence=require_evidence or None,
        signing_key_file=key,
    )
    _certified(settings, form, report=report, open_=open_)


def matrix(
    *,
    profile: options.Profile = None,
    engine: options.Engines = None,
    route: options.Routes = None,
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    rows: options.Rows = None,
    seed: options.Seed = None,
    release_id: NamedRelease = None,
    resume: Resume = False,
    workers: options.Workers = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
    report: Report = True,
    open_: Open = False,
) -> None:
    """Run the matrix alone: the cells the filters name, judged row by row; no other evidence family.

    `certify show` shows the matrix of a release that is there.
    """
    from certification_pipeline.settings import load_settings  # noqa: PLC0415 - lazy on purpose

    settings = load_settings(
        profile=profile,
        engines=engine,
        routes=route,
        strategies=strategy,
        scenarios=scenario,
        families=("matrix",),
        rows=rows,
        seed=seed,
        release_id=release_id,
        resume=resume or None,
        workers=workers,
        evidence_dir=evidence_dir,
    )
    _certified(settings, form, report=report, open_=open_)


def _certified(settings: RunSettings, form: Format, *, report: bool, open_: bool) -> NoReturn:
    """Do what the settings ask for, show it, and exit as its verdict says."""
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.attested_pages import ReleaseDir  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.seal import seal_pages  # noqa: PLC0415
    from certification_pipeline.report.loading import load_release  # noqa: PLC0415
    from certification_pipeline.report.pages import write_pages  # noqa: PLC0415

    done = carried_out(settings)
    store = EvidenceStore(settings.evidence_dir)
    release = load_release(store, settings.release_id, require=settings.required)
    page = store.release_path(settings.release_id) / "report.html" if report else None
    if page is not None:
        write_pages(release, done.catalog, store, page, signer=settings.signer())
    else:
        seal_pages(ReleaseDir.of(store, settings.release_id), settings.signer())
    _answer(release, page, form)
    if done.cancelled:
        _say_how_to_go_on(settings, done.finished)
        raise typer.Exit(INTERRUPTED)
    if open_ and page is not None:
        typer.launch(page.resolve().as_uri())
    raise typer.Exit(exit_code(release.outcome))


class Done(NamedTuple):
    """A run that came to its end, or to the user's."""

    catalog: Catalog
    cancelled: bool
    finished: int
    """Cells."""


def carried_out(settings: RunSettings) -> Done:
    """Certify, with progress on the screen, until the end or Ctrl-C. Wrong usage is told before all else."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415

    catalog = load_catalog()
    settings.check(catalog)
    from certification_pipeline.pipeline.certify import certify  # noqa: PLC0415 - heavy

    with cancelled_by_signals() as cancel, RunProgress() as progress:
        certify(settings, catalog, progress.on_event, cancel)
    return Done(catalog, cancel.is_set(), progress.finished.total())


def plan(
    *,
    profile: options.Profile = None,
    engine: options.Engines = None,
    route: options.Routes = None,
    strategy: options.Strategies = None,
    scenario: options.Scenarios = None,
    family: options.Families = None,
    rows: options.Rows = None,
    seed: options.Seed = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show what would run here, and why the rest not.

    Starts nothing and writes nothing.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.pipeline.preview import preview  # noqa: PLC0415
    from certification_pipeline.report.planned import print_plans  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(
        profile=profile,
        engines=engine,
        routes=route,
        strategies=strategy,
        scenarios=scenario,
        families=family,
        rows=rows,
        seed=seed,
    )
    catalog = load_catalog()
    settings.check(catalog)
    plans = preview(settings, catalog)
    if form is Format.JSON:
        emit([made.model_dump(mode="json", include=_OF_A_PLAN) for made in plans])
        return
    print_plans(console(), plans)


_OF_A_PLAN = {"profile", "rows", "seed", "cells", "plan_digest", "catalog_digest"}


@contextmanager
def cancelled_by_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or SIGTERM) sets; a second one stops at once."""
    cancel = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()
        typer.echo(
            "\nStopping: cells in hand are ended, what is finished is kept. Once more stops at once.",
            err=True,
        )

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answer(release: ReleaseView, page: Path | None, form: Format) -> None:
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.terminal import final_screen  # noqa: PLC0415

    if form is Format.TABLE:
        final_screen(console(), release, page)
        return
    emit(
        {
            "release_id": release.release_id,
            "outcome": release.outcome.value,
            "exit_code": exit_code(release.outcome),
            "report": str(page) if page else None,
            "subjects": [subject.summary.model_dump(mode="json") for subject in release.subjects],
        }
    )


def _say_how_to_go_on(settings: RunSettings, kept: int) -> None:
    go_on = settings.model_copy(update={"resume": True}).command()
    if settings.signing_key_file and not os.environ.get("CERTIFY_SIGNING_KEY_FILE"):
        go_on += f" --key {shlex.quote(str(settings.signing_key_file))}"
    typer.echo(
        f"\nStopped. {kept} cells were finished and are kept in {settings.release_dir}.\nGo on with: {go_on}",
        err=True,
    )
