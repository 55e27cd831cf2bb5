"""``certify connectors``: test the connectors of a release against seed 000's checklist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    import pandas as pd

    from certification_pipeline.evidence.connectors import ConnectorCertification
    from certification_pipeline.families.work import Work

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--connector",
        metavar="NAME",
        help="Only a look at this one, e.g. reference/duckdb: nothing is written; repeatable.",
    ),
]
Live = Annotated[bool, typer.Option("--live", help="Test on live vendor systems too, whatever the profile.")]
Docs = Annotated[
    Path | None,
    typer.Option(
        "--docs-dir",
        metavar="DIR",
        envvar="CERTIFY_DOCS_DIR",
        exists=True,
        file_okay=False,
        help="Where the documentation is. [docs of the checkout]",
    ),
]


def connectors(
    *,
    engine: options.Engines = None,
    connector: Names = None,
    live: Live = False,
    docs_dir: Docs = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Test the connectors of a release: documentation, example, credentials, offline, live.

    Writes connector_certification and its JUnit file into the release; exits as the verdict says.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.catalog.vocabulary import Family, Outcome  # noqa: PLC0415
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.cli.output import console, emit, show  # noqa: PLC0415
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.evidence.connector_scope import connector_scope  # noqa: PLC0415
    from certification_pipeline.evidence.connectors import ConnectorCertification  # noqa: PLC0415
    from certification_pipeline.families.connector_live.produce import (  # noqa: PLC0415
        ConnectorRun,
        examine,
        produce,
    )
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.verification import read_plan  # noqa: PLC0415
    from certification_pipeline.pipeline.families import remake_family  # noqa: PLC0415 - heavy
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415
    from certification_pipeline.settings import load_settings, must_match  # noqa: PLC0415

    only = tuple(connector or ())
    store, release, engines = open_release(evidence_dir, release_id, engine)
    plans = {name: read_plan(store.release(release, name)).plan for name in engines}
    known = [each.name for plan in plans.values() for each in connector_scope(plan)]
    must_match("connector", only, known)
    chosen = [name for name in engines if not only or any(each.startswith(f"{name}/") for each in only)]
    asked = ConnectorRun(docs_dir=docs_dir, live=live)

    def make(work: Work) -> ConnectorCertification:
        return examine(work, asked, only=only)[0] if only else produce(work, asked)

    settings = load_settings(evidence_dir=store.root, release_id=release, profile=plans[engines[0]].profile)
    with cancelled_by_signals() as cancel, RunProgress() as progress:
        made = remake_family(
            settings,
            load_catalog(),
            progress.on_event,
            cancel,
            family=Family.CONNECTOR_LIVE,
            engines=chosen,
            produce=make,
        )
    found = [each for each in made.values() if isinstance(each, ConnectorCertification)]
    if form is Format.JSON:
        emit({each.subject.engine: each.model_dump(mode="json") for each in found})
    else:
        show(checklist(found), form, index=False, empty="no connector was tested")
        typer.echo(LEGEND)
        for each in found:
            print_decision(console(), each)
        if only:
            typer.echo("A look at some connectors: nothing was written into the release.", err=True)
    if len(found) < len(chosen):
        missing = ", ".join(name for name in chosen if name not in made)
        typer.echo(f"Nothing is known of {missing}: see above, and harness.log of the release.", err=True)
        raise typer.Exit(INCONCLUSIVE)
    raise typer.Exit(exit_code(Outcome.worst(each.outcome for each in found)))


def checklist(made: Sequence[ConnectorCertification]) -> pd.DataFrame:
    """Connector x item, each cell a symbol; a reason where nothing could be tested."""
    import pandas as pd  # noqa: PLC0415 - heavy

    from certification_pipeline.catalog.checklist import ChecklistItem  # noqa: PLC0415
    from certification_pipeline.report.tally import SYMBOL  # noqa: PLC0415

    frame = pd.DataFrame(
        [
            {
                "connector": each.name,
                "level": each.level or "",
                **{
                    short: SYMBOL[one.connectors[each.name][ChecklistItem(item)].status]
                    for item, short in SHORT.items()
                },
                "not tested because": each.detail or "" if each.reason else "",
            }
            for one in made
            for each in one.scope
        ]
    )
    said = not frame.empty and frame["not tested because"].any()
    return frame if said or frame.empty else frame.drop(columns="not tested because")


SHORT = {
    "documentation_page": "page",
    "example_manifest": "example",
    "credential_model": "secrets",
    "offline_tests": "offline",
    "optional_dependency_smoke": "packages",
    "integration_profile": "integration",
    "live_instructions": "live how-to",
    "known_limitations": "limits",
    "changelog_entry": "changelog",
    "live_tests": "live",
}
"""Checklist item -> what heads its column."""
LEGEND = "✓ passed   ✗ failed   ? can't tell   – untested   · inapplicable"
