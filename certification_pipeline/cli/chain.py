"""``certify chain``: append releases to their engine's evidence chain, verify it, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from pydantic import JsonValue

    from certification_pipeline.evidence.store import EvidenceStore
    from certification_pipeline.gates.chain import ChainVerification

chain_app = typer.Typer(no_args_is_help=True, help="The hash chain over every file of every release.")


@chain_app.command("append")
def chain_append(
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Chain a release as it is now, all but its summary; an unchanged one is not chained twice.

    `certify run` and `certify release-summary` do it before they decide.
    """
    from uuid import uuid4  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.evidence.next_step import decide_again  # noqa: PLC0415
    from certification_pipeline.evidence.provenance import stamp  # noqa: PLC0415
    from certification_pipeline.gates.chain import append  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store, release, names = open_release(evidence_dir, release_id, engine)
    settings = load_settings(evidence_dir=evidence_dir)
    signer, trusted = settings.signer(), settings.trusted()
    rows: list[JsonValue] = []
    for name in names:
        done = append(
            store, store.release(release, name), stamp(str(uuid4())), signer=signer, trusted=trusted
        )
        entry = done.entry
        rows.append({"engine": name, "appended": done.new, **_row(entry.model_dump(mode="json"))})
        if form is Format.TABLE:
            what = "appended as" if done.new else "unchanged since"
            typer.echo(f"{name} {release}: {what} entry {entry.sequence}, {len(entry.artifacts)} files")
            typer.echo(f"  {entry.chain_hash}")
        if done.new:
            again = decide_again("release-summary", name, release)
            typer.echo(f"The release summary does not rest on this entry yet: {again}", err=True)
    if form is Format.JSON:
        emit(rows)


@chain_app.command("sign")
def chain_sign(
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="Whose chain.")],
    evidence_dir: options.EvidenceDir = None,
) -> None:
    """Vouch for all entries of a chain with your key: a new key, or entries whose writer was stopped.

    Every link and every file is verified before; that they are yours, only you can know. Appending refuses to
    sign over entries that your key has not counted before.
    """
    from certification_pipeline.evidence.errors import EvidenceError  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.chain import sign  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store, (name,) = chains(evidence_dir, [engine])
    signer = load_settings(evidence_dir=evidence_dir).signer()
    if signer is None:
        remedy = "Name it: CERTIFY_SIGNING_KEY_FILE; make one: certify keys new"
        raise EvidenceError("CERTIFY_SIGNING_KEY_FILE", None, "names no key to sign with", remedy)
    done = sign(store, name, signer)
    for entry in done.entries:
        typer.echo(f"{name}: vouched for entry {entry.sequence}, {entry.release_id}, {entry.outcome.value}")
    typer.echo(f"{name}: {done.checkpoint.size} entries are under a checkpoint that your key signed")
    typer.echo(f"  head {done.head}")


@chain_app.command("verify")
def chain_verify(
    *,
    release_id: Annotated[
        str | None, typer.Option("--release-id", metavar="ID", help="Re-hash only its files. [all releases']")
    ] = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    anchor: options.Anchor = None,
    key: options.Keys = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Recompute every hash and re-hash every file; says exactly what was changed. Exits 1 if anything was."""
    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.evidence import given_anchor  # noqa: PLC0415
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.gates.chain import verify  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415

    store, names = chains(evidence_dir, engine)
    if anchor is not None and len(names) != 1:
        raise typer.BadParameter("an anchor is of one chain: say which with --engine", param_hint="--anchor")
    expected, keys = given_anchor(anchor), read_public_keys(key or ())
    found = [verify(store, name, anchor=expected, keys=keys, release_id=release_id) for name in names]
    if form is Format.JSON:
        emit([_as_json(each) for each in found])
    else:
        for each in found:
            _print(each)
    raise typer.Exit(exit_code(Outcome.worst(each.outcome for each in found)))


@chain_app.command("show")
def chain_show(
    release_id: Annotated[
        str | None, typer.Option("--release-id", metavar="ID", help="Only its entries. [all]")
    ] = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """List the entries of a chain whose links hold; `verify` checks the files too."""
    import pandas as pd  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.evidence.chain_dir import ChainDir  # noqa: PLC0415
    from certification_pipeline.gates.chain_links import read_links  # noqa: PLC0415

    store, names = chains(evidence_dir, engine)
    rows = []
    broken = False
    for name in names:
        links = read_links(ChainDir(store.root, name))
        for problem in links.problems:
            typer.echo(f"✗ {problem}", err=True)
        broken = broken or bool(links.problems)
        rows += [
            {"engine": name, **_row(entry.model_dump(mode="json"))}
            for entry in links.entries
            if release_id in {None, entry.release_id}
        ]
    show(pd.DataFrame(rows), form, index=False, empty="no entry")
    if broken:
        raise typer.Exit(1)


def chains(evidence_dir: Path | None, engines: list[str] | None) -> tuple[EvidenceStore, tuple[str, ...]]:
    """The store and the engines asked for; by default all that have a chain or evidence.

    An engine whose chain is gone must not be passed over in silence.
    """
    from certification_pipeline.evidence.chain_dir import chained_engines  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.errors import EvidenceError, ProblemKind  # noqa: PLC0415
    from certification_pipeline.evidence.store import EvidenceStore  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    store = EvidenceStore(load_settings(evidence_dir=evidence_dir).evidence_dir)
    there = set(chained_engines(store.root))
    there |= {engine for release in store.releases() for engine in store.engines(release)}
    if not there:
        remedy = "Make some: `certify run`, then `certify chain append`"
        raise EvidenceError(str(store.root), None, "holds no evidence", remedy, ProblemKind.MISSING)
    for name in engines or ():
        if name not in there:
            remedy = f"Choose from: {', '.join(sorted(there))}"
            what = f"has neither chain nor evidence of engine {name!r}"
            raise EvidenceError(str(store.root), None, what, remedy, ProblemKind.MISSING)
    return store, tuple(engines or sorted(there))


def _row(entry: dict[str, JsonValue]) -> dict[str, JsonValue]:
    artifacts = entry["artifacts"]
    files = len(artifacts) if isinstance(artifacts, list) else 0
    kept = ("sequence", "release_id", "created_at", "outcome")
    return {**{key: entry[key] for key in kept}, "files": files, "chain_hash": entry["chain_hash"]}


def _as_json(found: ChainVerification) -> dict[str, JsonValue]:
    from certification_pipeline.evidence.chain_proof import as_node  # noqa: PLC0415 - lazy on purpose

    return {
        "engine": found.engine,
        "passed": not found.problems,
        "outcome": found.outcome.value,
        "entries": len(found.entries),
        "files": found.files_checked,
        "head": found.head.chain_hash if found.head else None,
        "root": as_node(found.checkpoint.root) if found.checkpoint else None,
        "signed": bool(found.checkpoint and found.checkpoint.is_signed),
        "problems": [{"kind": p.kind.value, "path": p.path, "message": p.message} for p in found.problems],
        "superseded": [{"sequence": s.sequence, "release_id": s.release_id} for s in found.superseded],
        "notes": list(found.notes),
    }


def _print(found: ChainVerification) -> None:
    mark, word = ("✗", "failed") if found.problems else ("✓", "passed")
    files = f"{found.files_checked} files re-hashed"
    typer.echo(f"{mark} {word} evidence chain of {found.engine}: {len(found.entries)} entries, {files}")
    if found.head is not None and not found.problems:
        typer.echo(f"  head {found.head.chain_hash}")
    for problem in found.problems:
        typer.echo(f"  {problem}")
    for superseded in found.superseded:
        typer.echo(f"  superseded, proved by its hash alone: {superseded}")
    for note in found.notes:
        typer.echo(f"  note: {note}")
    if found.problems:
        typer.echo(
            "  → restore what was changed from a copy; a release run again on purpose is chained anew: "
            f"certify chain append --engine {found.engine} --release-id ID"
        )
