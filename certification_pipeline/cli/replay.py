"""``certify replay``: which earlier runs can be done again, what that would do, and doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from pydantic import JsonValue

    from certification_pipeline.evidence.replay import ReplayEvidence, ReplayItem

replay_app = typer.Typer(no_args_is_help=True, help="Do earlier runs again: a scope of them, or what broke.")

OneEngine = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Whose run. [the release's only engine]")
]
RunId = Annotated[str, typer.Option("--run-id", metavar="ID", help="The earlier run: `certify replay list`.")]
Action = Annotated[str, typer.Option("--action", metavar="ACTION", help="resync or resume.")]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="Window: first partition date.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Window: first date after it.")]
Partition = Annotated[str | None, typer.Option("--partition", metavar="DATE", help="One partition.")]
KeyFrom = Annotated[str | None, typer.Option("--key-from", metavar="KEY", help="Key range: first key.")]
KeyTo = Annotated[str | None, typer.Option("--key-to", metavar="KEY", help="Key range: first key after it.")]


@replay_app.command("list")
def replay_list(
    engine: OneEngine = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show the recorded runs that can be replayed, and how."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import subject_dirs  # noqa: PLC0415
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.evidence.replay_verdict import declared_replays  # noqa: PLC0415
    from certification_pipeline.families.replay.runs import replayable_runs  # noqa: PLC0415
    from certification_pipeline.gates.verification import read_plan  # noqa: PLC0415

    catalog = load_catalog()
    runs = [
        run
        for directory in subject_dirs(evidence_dir, release_id, [engine] if engine else None)
        for plan in [read_plan(directory).plan]
        for run in replayable_runs(directory, plan, declared_replays(catalog, plan))
    ]
    rows: list[JsonValue] = [
        {
            "engine": run.key.engine,
            "run_id": run.run_id,
            "cell": run.key.cell_id,
            "step": run.load.step,
            "kinds": [kind.value for kind in run.declared.kinds],
        }
        for run in runs
    ]
    if form is Format.JSON:
        emit(rows)
        return
    for run in runs:
        kinds = ", ".join(run.declared.kinds)
        typer.echo(f"{run.run_id}  {run.key.cell_id}  {run.load.step}  ({kinds})")
    if not runs:
        typer.echo("No run of this release can be replayed: no replay is declared of what it loaded.")


@replay_app.command("plan")
def replay_plan(
    *,
    run_id: RunId,
    action: Action = "resync",
    start: From = None,
    stop: To = None,
    partition: Partition = None,
    key_from: KeyFrom = None,
    key_to: KeyTo = None,
    engine: OneEngine = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Show what a replay would do: scope, rows, route, strategy. Touches nothing and writes nothing."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import open_subject  # noqa: PLC0415
    from certification_pipeline.families.replay.execute import planned_item  # noqa: PLC0415
    from certification_pipeline.families.replay.produce import planned_run  # noqa: PLC0415
    from certification_pipeline.families.replay.scope import asked_for  # noqa: PLC0415
    from certification_pipeline.gates.verification import read_plan  # noqa: PLC0415

    asked = asked_for(
        action, window=(start, stop), partition=partition, keys=(key_from, key_to), run_id=run_id
    )
    assert asked is not None
    _, directory = open_subject(evidence_dir, release_id, engine)
    planned = planned_run(directory, read_plan(directory).plan, load_catalog(), run_id, asked)
    _show(planned_item(planned), form)


@replay_app.command("execute")
def replay_execute(
    *,
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="The earlier run. [one a route and kind]")
    ] = None,
    action: Action = "resync",
    start: From = None,
    stop: To = None,
    partition: Partition = None,
    key_from: KeyFrom = None,
    key_to: KeyTo = None,
    engine: OneEngine = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Rebuild an earlier run in services of its own, damage the sink, replay, judge; write the evidence.

    Without --run-id all that is declared is replayed. Exits 1 when a replay does not hold.
    """
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.catalog.vocabulary import Family  # noqa: PLC0415
    from certification_pipeline.cli.evidence import open_subject  # noqa: PLC0415
    from certification_pipeline.cli.output import answer  # noqa: PLC0415
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.evidence.replay import ReplayEvidence  # noqa: PLC0415
    from certification_pipeline.families.replay.produce import one_replay, planned_run  # noqa: PLC0415
    from certification_pipeline.families.replay.scope import asked_for  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.verification import read_plan  # noqa: PLC0415
    from certification_pipeline.pipeline.families import remake_family  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    asked = asked_for(
        action, window=(start, stop), partition=partition, keys=(key_from, key_to), run_id=run_id
    )
    _, directory = open_subject(evidence_dir, release_id, engine)
    name = directory.engine
    settings = load_settings(release_id=directory.release_id, evidence_dir=evidence_dir)
    catalog = load_catalog()
    plan = read_plan(directory).plan
    # What cannot be replayed is told before anything is started.
    planned = planned_run(directory, plan, catalog, run_id, asked) if run_id and asked else None
    with cancelled_by_signals() as cancel, RunProgress() as progress:
        remade = remake_family(
            settings,
            catalog,
            progress.on_event,
            cancel,
            family=Family.REPLAY,
            engines=[name],
            produce=one_replay(planned) if planned else None,
        )
    made = remade.get(name)
    if not isinstance(made, ReplayEvidence):
        typer.echo(f"Nothing was replayed; see {settings.release_dir / 'harness.log'}", err=True)
        raise typer.Exit(INCONCLUSIVE)
    if planned is None:
        raise typer.Exit(answer([made], form))
    item = made.items[-1]
    _show(item, form, made)
    raise typer.Exit(exit_code(item.outcome))


def _show(item: ReplayItem, form: Format, made: ReplayEvidence | None = None) -> None:
    """One replay, planned or done; and what the evidence as a whole still lacks."""
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.report.visible import visible  # noqa: PLC0415

    if form is Format.JSON:
        emit(item.model_dump(mode="json"))
        return
    scope = item.scope
    where = "the whole table"
    if scope is not None:
        end = f" = {scope.start}" if scope.stop is None else f" in [{scope.start}, {scope.stop})"
        where = f"{scope.column}{end}"
    typer.echo(f"{item.title}: {item.status if made is None else item.outcome.value}")
    typer.echo(f"  run    {item.run_id} ({item.cell_id})")
    typer.echo(f"  scope  {where}: {item.rows_in_scope} rows at the source")
    for number, operation in enumerate(item.operations, start=1):
        typer.echo(f"  {number}. {operation}")
    if made is None:
        return
    for check in item.status_checks:
        typer.echo(f"  {check.name:<11} {check.status.value}")
    for blocker in made.blockers:
        typer.echo(visible(f"  {blocker.code}: {blocker.message}"))
