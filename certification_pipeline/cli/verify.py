"""``certify verify``: somebody else's evidence, offline: what was changed, and what it proves."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.catalog.catalog import Catalog
    from certification_pipeline.evidence.anchor import Anchor


def verify(
    *,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The evidence: what holds releases/ and chain/.")
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="KEY|FILE",
            help="The public key of who made it; what it did not sign is red. Repeatable.",
        ),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            "--anchor",
            metavar="HASH|FILE|git:REPO#TAG",
            help="What was kept elsewhere of a chain: finds one cut off or written anew; repeatable.",
        ),
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", metavar="NAME", help="Only this engine; repeatable. [all]")
    ] = None,
    release_id: Annotated[
        str | None,
        typer.Option("--release-id", metavar="ID", help="Only its files; it is the one that counts. [all]"),
    ] = None,
    part: Annotated[
        bool, typer.Option("--part", help="A release narrowed to some of its cells will do.")
    ] = False,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Verify evidence somebody hands you: recompute everything, believe nothing.

    Needs neither network nor what was certified. Exits 0 when nothing was changed and the newest release of
    each engine is green; 1 when something was tampered with, or a release is red (the first line says which);
    3 when nobody can tell.
    """
    from rich.console import Console  # noqa: PLC0415 - lazy on purpose

    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import read_public_keys  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.verify.evidence import Asked, Step, verify_evidence  # noqa: PLC0415
    from certification_pipeline.pipeline.verify import planned_from  # noqa: PLC0415
    from certification_pipeline.report.verification import print_verification  # noqa: PLC0415

    asked = Asked(
        root=directory.expanduser().absolute(),
        planned=planned_from(trusted_catalog()),
        engines=tuple(engine or ()),
        release_id=release_id,
        anchors=tuple(_anchor(given) for given in anchor or ()),
        keys=read_public_keys(key or ()),
        part=part,
    )
    screen = Console(stderr=True)
    with screen.status("looking") if screen.is_terminal else nullcontext() as status:

        def on_step(step: Step) -> None:
            if status is not None:
                status.update(f"{step.what} ({step.done} of {step.total} engines done)")

        found = verify_evidence(asked, on_step)
    if form is Format.JSON:
        emit(found.model_dump(mode="json"))
    else:
        print_verification(console(), found)
    raise typer.Exit(exit_code(found.outcome))


def trusted_catalog() -> Catalog:
    """The packaged catalogue, with engines of one's own only where a variable names them.

    Those that lie where the command is run may have come with the evidence: they could claim anything.
    """
    from certification_pipeline.catalog.loading import load_catalog, load_with  # noqa: PLC0415 - lazy
    from certification_pipeline.catalog.outside import DIRECTORY_VARIABLE  # noqa: PLC0415

    return load_catalog() if os.environ.get(DIRECTORY_VARIABLE) else load_with(())


def _anchor(given: str) -> Anchor:
    from certification_pipeline.evidence.errors import EvidenceError  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.chain_anchor import read_anchor  # noqa: PLC0415

    try:
        return read_anchor(given)
    except EvidenceError as error:
        raise typer.BadParameter(str(error), param_hint="--anchor") from None
