"""``certify chain anchor``, ``prove`` and ``check-proof``: a chain, told to people who do not hold it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.evidence.checkpoint import Checkpoint
    from certification_pipeline.evidence.store import EvidenceStore

Engine = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Whose chain. [the only one there is]")
]


def chain_anchor(
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="A file elsewhere; it is replaced as the chain grows."),
    ] = None,
    git_tag: Annotated[
        str | None, typer.Option("--git-tag", metavar="NAME", help="A new annotated tag, to be pushed.")
    ] = None,
    git_repo: Annotated[
        Path, typer.Option("--git-repo", metavar="DIR", help="Of which repository.")
    ] = Path(),
    engine: Engine = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Keep a chain's checkpoint elsewhere; never goes backwards, nor over another chain's.

    Whoever may write the evidence can write all of it anew. Only what they cannot write shows that.
    """
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.chain_proof import as_node  # noqa: PLC0415
    from certification_pipeline.gates.chain_keeping import keep_in_file, keep_in_git  # noqa: PLC0415

    if (to is None) == (git_tag is None):
        raise typer.BadParameter("give one of --to FILE and --git-tag NAME", param_hint="--to")
    store, name = _one_chain(evidence_dir, engine)
    kept = keep_in_file(store, name, to) if to else keep_in_git(store, name, git_repo, git_tag or "")
    checkpoint = kept.anchor.checkpoint
    if form is Format.JSON:
        emit(
            {
                "engine": name,
                "where": kept.where,
                "written": kept.new,
                "size": checkpoint.size,
                "root": as_node(checkpoint.root),
                "signed": checkpoint.is_signed,
            }
        )
        return
    word = "anchored in" if kept.new else "unchanged in"
    typer.echo(f"{name}: {checkpoint.size} entries {word} {kept.where}{_unsigned(checkpoint)}")
    again = shlex.join(["certify", "chain", "verify", "--engine", name, "--anchor", kept.where])
    typer.echo(f"  compare: {again}")


def chain_prove(
    release_id: Annotated[str, typer.Argument(metavar="RELEASE")],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="FILE|git:REPOSITORY#TAG",
            help="And that the chain is this checkpoint's, grown.",
        ),
    ] = None,
    engine: Engine = None,
    evidence_dir: options.EvidenceDir = None,
) -> None:
    """Print, as JSON, the proof that a release is in its engine's chain: entry, path, checkpoint."""
    from certification_pipeline.cli.evidence import given_anchor  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.canonical import render  # noqa: PLC0415
    from certification_pipeline.gates.chain_proof import prove  # noqa: PLC0415

    store, name = _one_chain(evidence_dir, engine)
    proof = prove(store, name, release_id, given_anchor(since))
    typer.echo(render(proof).decode(), nl=False)


def chain_check_proof(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `certify chain prove` printed.")],
    key: options.Keys = None,
    anchor: options.Anchor = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Check such a proof; no evidence is needed. Exits 1 when it does not prove its entry."""
    from certification_pipeline.cli.evidence import given_anchor  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import emit  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.gates.chain_proof import check_proof, read_proof  # noqa: PLC0415

    checked = check_proof(read_proof(file), read_public_keys(key or ()), given_anchor(anchor))
    entry, passed = checked.proof.entry, not checked.problems
    if form is Format.JSON:
        emit(
            {
                "passed": passed,
                "engine": entry.subject.engine,
                "release_id": entry.release_id,
                "sequence": entry.sequence,
                "outcome": entry.outcome.value,
                "chain_hash": entry.chain_hash,
                "size": checked.checkpoint.size,
                "signed": checked.checkpoint.is_signed,
                "problems": list(checked.problems),
                "notes": list(checked.notes),
            }
        )
    else:
        mark, word = ("✓", "is") if passed else ("✗", "is not shown to be")
        place = f"entry {entry.sequence} of {checked.checkpoint.size}"
        typer.echo(f"{mark} release {entry.release_id} of {entry.subject.engine} {word} {place}")
        typer.echo(f"  it says of its suite: {entry.outcome.value}, {len(entry.artifacts)} files")
        for problem in checked.problems:
            typer.echo(f"  {problem}")
        for note in checked.notes:
            typer.echo(f"  note: {note}")
    raise typer.Exit(0 if passed else 1)


def _unsigned(checkpoint: Checkpoint) -> str:
    return "" if checkpoint.is_signed else " (not signed)"


def _one_chain(evidence_dir: Path | None, engine: str | None) -> tuple[EvidenceStore, str]:
    from certification_pipeline.cli.chain import chains  # noqa: PLC0415 - lazy on purpose

    store, names = chains(evidence_dir, [engine] if engine else None)
    if len(names) != 1:
        held = ", ".join(names)
        raise typer.BadParameter(f"say which: there are chains of {held}", param_hint="--engine")
    return store, names[0]
