"""``certify push``, ``pull`` and ``store status``: evidence is made here, and shared through a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from pydantic import JsonValue

    from certification_pipeline.evidence.stores.remote import RemoteStore

store_app = typer.Typer(no_args_is_help=True, help="A store that several machines push evidence to.")

Url = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="s3://bucket/prefix, gs://…, az://…, or a directory. Credentials: from the environment.",
    ),
]
Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", metavar="NAME", help="Only this engine's chain; repeatable. [all there are]"),
]


def push(
    url: Url,
    engine: Engines = None,
    evidence_dir: options.EvidenceDir = None,
    single_writer: Annotated[
        bool,
        typer.Option("--single-writer", help="Nobody else ever pushes there: do without conditional writes."),
    ] = False,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Push chains and the releases in them; what is there already is not sent again, a fork is refused.

    Before anything is written it is measured whether the store keeps a second writer out.
    """
    from certification_pipeline.cli.chain import chains  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.evidence.stores.opening import open_store  # noqa: PLC0415
    from certification_pipeline.evidence.stores.remote import measure  # noqa: PLC0415
    from certification_pipeline.gates.transfer.push import push as push_chain  # noqa: PLC0415
    from certification_pipeline.gates.transfer.remote_chain import refuse_evidence  # noqa: PLC0415

    remote = open_store(url)
    store, names = chains(evidence_dir, engine)
    refuse_evidence(remote, store.root)
    conditions = measure(remote)
    rows: list[JsonValue] = []
    for name in names:
        with _counting(f"push {name}") as progress:
            done = push_chain(store, remote, name, conditions, single_writer=single_writer, progress=progress)
        rows.append({"engine": name, "size": done.size, "entries": done.entries, "files": done.files})
        if form is Format.TABLE:
            what = f"{done.entries} entries, {done.files} files" if done.entries else "nothing new"
            typer.echo(f"✓ {name}: {done.size} entries in {remote.shown} ({what} pushed)")
        for note in done.notes:
            typer.echo(f"  note: {note}", err=form is Format.JSON)
    if form is Format.JSON:
        emit({"store": remote.shown, "chains": rows})


def pull(
    url: Url,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The evidence directory to pull into.")],
    *,
    engine: Engines = None,
    key: options.Keys = None,
    anchor: options.Anchor = None,
    set_aside: Annotated[
        bool,
        typer.Option("--set-aside", help="Move a chain that went another way out of DIR, beside it."),
    ] = False,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Pull chains and the releases in them; all of it is verified before any of it is put in place."""
    from certification_pipeline.cli.evidence import given_anchor  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.evidence.stores.opening import open_store  # noqa: PLC0415
    from certification_pipeline.gates.transfer.pull import pull as pull_chain  # noqa: PLC0415

    remote, keys, expected = open_store(url), read_public_keys(key or ()), given_anchor(anchor)
    store, names = EvidenceStore(directory.expanduser()), _there(remote, engine)
    if anchor is not None and len(names) != 1:
        raise typer.BadParameter("an anchor is of one chain: say which with --engine", param_hint="--anchor")
    rows: list[JsonValue] = []
    for name in names:
        with _counting(f"pull {name}") as progress:
            done = pull_chain(
                remote, store, name, keys=keys, anchor=expected, set_aside=set_aside, progress=progress
            )
        row: JsonValue = {
            "engine": name,
            "size": done.size,
            "entries": done.entries,
            "releases": list(done.releases),
        }
        rows.append(row)
        if form is Format.TABLE:
            what = f"{done.entries} entries, {len(done.releases)} releases" if done.entries else "nothing new"
            typer.echo(f"✓ {name}: {done.size} entries in {directory} ({what} pulled)")
        for note in done.notes:
            typer.echo(f"  note: {note}", err=form is Format.JSON)
    if form is Format.JSON:
        emit({"store": remote.shown, "chains": rows})


@store_app.command("status")
def store_status(
    url: Url,
    engine: Engines = None,
    evidence_dir: options.EvidenceDir = None,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Measure what it honours, with a small object that is removed again."),
    ] = False,
    form: options.Formatted = Format.TABLE,
) -> None:
    """How the chains here and in a store stand to each other. Exits 1 when one forked."""
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.chain_dir import chained_engines  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.evidence.stores.opening import open_store  # noqa: PLC0415
    from certification_pipeline.evidence.stores.remote import measure  # noqa: PLC0415
    from certification_pipeline.gates.transfer.remote_chain import remote_engines  # noqa: PLC0415
    from certification_pipeline.gates.transfer.status import Standing, status  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    remote = open_store(url)
    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    names = engine or sorted({*chained_engines(store.root), *remote_engines(remote)})
    conditions = measure(remote) if probe else None
    found = [status(store, remote, name) for name in names]
    if form is Format.JSON:
        honours: JsonValue = (
            {"create": conditions.create, "replace": conditions.replace} if conditions else None
        )
        rows: list[JsonValue] = [
            {
                "engine": each.engine,
                "standing": each.standing.value,
                "here": each.here,
                "there": each.there,
                "shared": each.shared,
                "checkpoint": each.checkpoint,
                "signed": each.signed,
            }
            for each in found
        ]
        emit({"store": remote.shown, "honours": honours, "chains": rows})
    else:
        if conditions is not None:
            for what, kept in (("create-only", conditions.create), ("compare-and-swap", conditions.replace)):
                mark, word = ("✓", "honours") if kept else ("✗", "does not honour")
                typer.echo(f"{mark} {remote.shown} {word} {what} writes")
        for each in found:
            signed = "signed" if each.signed else "not signed"
            typer.echo(
                f"{each.engine}: {each.standing.value}; {each.here} entries here, {each.there} there, "
                f"{each.shared} the same; its checkpoint is {signed}"
            )
        if not found:
            typer.echo("no chain here or there")
    raise typer.Exit(int(any(each.standing is Standing.FORKED for each in found)))


def _there(remote: RemoteStore, engines: list[str] | None) -> tuple[str, ...]:
    from certification_pipeline.evidence.errors import EvidenceError, ProblemKind  # noqa: PLC0415
    from certification_pipeline.gates.transfer.remote_chain import remote_engines  # noqa: PLC0415

    there = remote_engines(remote)
    for name in engines or ():
        if name not in there:
            remedy = f"Choose from: {', '.join(there) or 'none, nothing was pushed there yet'}"
            raise EvidenceError(remote.shown, None, f"has no chain of {name!r}", remedy, ProblemKind.MISSING)
    if not there:
        remedy = "Push one first: certify push URL"
        raise EvidenceError(remote.shown, None, "holds no chain", remedy, ProblemKind.MISSING)
    return tuple(engines or there)


@contextmanager
def _counting(what: str) -> Iterator[Callable[[int], None]]:
    """A line on standard error that counts files; nothing when that is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - lazy on purpose
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TextColumn("files"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda count: bar.advance(task, count)
