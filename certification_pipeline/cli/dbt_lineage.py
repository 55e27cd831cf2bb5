"""``certify dbt-lineage``: a dbt project over certified tables, or somebody's own dbt run, judged."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.evidence.dbt_lineage import DbtLineage


class Target(StrEnum):
    """Where the project can be built."""

    DUCKDB = "duckdb"
    POSTGRES = "postgres"


Targets = Annotated[
    list[Target] | None,
    typer.Option("--target", help="Build there; repeatable. [what the profile calls for]"),
]
Manifest = Annotated[
    Path | None, typer.Option("--manifest", metavar="FILE", help="Your own dbt run: its manifest.json.")
]
RunResults = Annotated[
    Path | None, typer.Option("--run-results", metavar="FILE", help="Its run_results.json; red without.")
]
Catalog = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="Its catalog.json; red without.")
]
Loaded = Annotated[
    list[str] | None,
    typer.Option("--loaded", metavar="SCHEMA.TABLE", help="A source that a load wrote, you say; repeatable."),
]


def dbt_lineage(
    *,
    target: Targets = None,
    manifest: Manifest = None,
    run_results: RunResults = None,
    catalog: Catalog = None,
    loaded: Loaded = None,
    engine: options.Engines = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Load, judge, run dbt on what was loaded, and write dbt_lineage into the release.

    With --manifest, dbt is not run: the artifacts of your own run are judged, as a claim of yours.
    """
    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import open_release, open_subject  # noqa: PLC0415
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415

    given = {"--manifest": manifest, "--run-results": run_results, "--catalog": catalog, "--loaded": loaded}
    _check_request(target, given)
    store, release, engines = open_release(evidence_dir, release_id, engine)
    if manifest is not None:
        from uuid import uuid4  # noqa: PLC0415

        from certification_pipeline.families.dbt_lineage.given import judge_given  # noqa: PLC0415

        _, directory = open_subject(evidence_dir, release_id, engines[0] if len(engines) == 1 else None)
        made = [
            judge_given(
                directory,
                str(uuid4()),
                {"manifest": manifest, "run_results": run_results, "catalog": catalog},
                loaded or (),
            )
        ]
    else:
        made = _executed(store.root, release, engines, [each.value for each in target or ()])
    if form is Format.JSON:
        emit({each.subject.engine: each.model_dump(mode="json") for each in made})
    else:
        for each in made:
            print_decision(console(), each)
            for line in _counts(each):
                typer.echo(f"  {line}")
    if manifest is not None:
        typer.echo("These artifacts are given: nothing was loaded, judged or run here.", err=True)
    elif len(made) < len(engines):
        missing = ", ".join(sorted(set(engines) - {each.subject.engine for each in made}))
        typer.echo(f"Nothing is known of {missing}: see above, and harness.log of the release.", err=True)
        raise typer.Exit(INCONCLUSIVE)
    raise typer.Exit(exit_code(Outcome.worst(each.outcome for each in made)))


def _check_request(target: list[Target] | None, given: Mapping[str, object]) -> None:
    """Options of both forms together, or files without the manifest, are a mistake."""
    named = [option for option, value in given.items() if value]
    if named and given["--manifest"] is None:
        raise typer.BadParameter(f"{named[0]} needs --manifest: it is about a dbt run of your own")
    if named and target:
        raise typer.BadParameter("--target builds here, --manifest judges a run of your own: give one")


def _executed(root: Path, release: str, engines: tuple[str, ...], targets: list[str]) -> list[DbtLineage]:
    from functools import partial  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415
    from certification_pipeline.catalog.vocabulary import Family  # noqa: PLC0415
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.evidence.dbt_lineage import DbtLineage  # noqa: PLC0415
    from certification_pipeline.families.dbt_lineage.produce import produce  # noqa: PLC0415
    from certification_pipeline.pipeline.families import remake_family  # noqa: PLC0415 - heavy
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(evidence_dir=root, release_id=release)
    with cancelled_by_signals() as cancel, RunProgress() as progress:
        made = remake_family(
            settings,
            load_catalog(),
            progress.on_event,
            cancel,
            family=Family.DBT_LINEAGE,
            engines=engines,
            produce=partial(produce, targets=targets),
        )
    return [each for each in made.values() if isinstance(each, DbtLineage)]


def _counts(made: DbtLineage) -> list[str]:
    lines = [
        f"{each.target}: dbt {each.dbt_version or 'did not run'}, "
        f"{sum(node.kind in {'model', 'snapshot', 'seed'} for node in each.nodes)} models, "
        f"{len(each.tests)} tests, {len(each.column_edges)} column edges"
        for each in made.targets
    ]
    return lines + [f"{each.target}: left out, {each.why}" for each in made.left_out]
