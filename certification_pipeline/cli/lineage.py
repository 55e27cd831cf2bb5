"""``certify lineage``: export a release's loads as OpenLineage events."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format


class Transport(StrEnum):
    """Where the events go besides the release."""

    FILE = "file"
    HTTP = "http"


Wider = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        metavar="GLOB",
        help="The loads of these scenarios too; those of strategy.* are always exported; repeatable.",
    ),
]
To = Annotated[
    Transport,
    typer.Option("--transport", help="file: the release alone. http: a receiver (--url) takes them, too."),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help="The receiver, e.g. http://localhost:5000; key in OPENLINEAGE_API_KEY."
    ),
]


def lineage(
    *,
    engine: options.Engines = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    scenario: Wider = None,
    transport: To = Transport.FILE,
    url: Url = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Export the loads of a release as OpenLineage events, and hold them against what the oracle saw.

    Writes run_registry, openlineage_events and openlineage_report into the release; runs nothing. Decide on
    the release again afterwards: `certify release-summary --require-lineage`.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.families.openlineage.emission import Receiver  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.pipeline.families import export_lineage  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415
    from certification_pipeline.settings import load_settings, must_match  # noqa: PLC0415

    if (url is None) is (transport is Transport.HTTP):
        raise typer.BadParameter("--transport http needs --url, and --url needs --transport http")
    must_match("scenario", scenario or (), load_catalog().scenarios)
    receiver = Receiver(url) if url else None
    store, release, engines = open_release(evidence_dir, release_id, engine)
    settings = load_settings(evidence_dir=evidence_dir, release_id=release)
    reports = export_lineage(settings, engines, scenarios=scenario or (), receiver=receiver)
    if form is Format.JSON:
        emit([report.model_dump(mode="json") for report in reports])
    else:
        for report in reports:
            print_decision(console(), report)
            sent = f", {report.emission.emitted} taken by the receiver" if report.emission else ""
            counted = f"{report.event_count} events of {report.run_count} loads{sent}"
            typer.echo(
                f"{counted}: {store.release(release, report.subject.engine).path / report.events_path}"
            )
    raise typer.Exit(exit_code(Outcome.worst(report.outcome for report in reports)))
