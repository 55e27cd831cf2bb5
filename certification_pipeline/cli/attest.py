"""``certify attest``: what a person signs, because no test can show it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options

if TYPE_CHECKING:
    from certification_pipeline.evidence.seal.keys import Signer
    from certification_pipeline.settings import RunSettings

attest_app = typer.Typer(no_args_is_help=True, help="Signed statements that no test can replace.")


@attest_app.command("production")
def attest_production(
    *,
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="Whose artifact runs there.")],
    route: Annotated[str, typer.Option("--route", metavar="SOURCE_to_SINK", help="What it moves.")],
    deployment: Annotated[str, typer.Option("--deployment", metavar="NAME", help="Where it runs.")],
    owner: Annotated[str, typer.Option("--owner", metavar="NAME", help="Who answers for it.")],
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="It expires after so many days.")] = 365,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The owner's private key. [CERTIFY_SIGNING_KEY_FILE]"),
    ] = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
) -> None:
    """Sign that this engine, as certified in a release, runs in production on a route.

    Levels count it when they are computed under the owner's public key: CERTIFY_TRUSTED_KEYS, or --key.
    """
    from certification_pipeline.cli.evidence import open_subject  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.artifact import utc_now  # noqa: PLC0415
    from certification_pipeline.gates.levels.attestations import Deployment, attest  # noqa: PLC0415
    from certification_pipeline.gates.verification import read_plan  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError, load_settings, must_match  # noqa: PLC0415

    settings = load_settings(evidence_dir=evidence_dir, signing_key_file=key)
    store, directory = open_subject(evidence_dir, release_id, engine)
    plan = read_plan(directory).plan
    must_match("route", (route,), sorted({cell.key.route_id for cell in plan.cells}))
    if not plan.subject.artifact_digest:
        told = f"{engine} could not be installed in release {plan.release_id}: there is no artifact to attest"
        raise SettingsError(told, "certify a release in which it runs, then attest that")
    signer = _signer(settings)
    now = utc_now()
    what = Deployment(route, deployment, owner, now, now + timedelta(days=days))
    path = attest(store.root, plan.subject, what, signer)
    typer.echo(f"{engine} {plan.subject.version} on {route} in {deployment}, until {what.until:%Y-%m-%d}")
    typer.echo(f"  {path}")
    typer.echo(f"  signed by {signer.public_key.key_id}")


def _signer(settings: RunSettings) -> Signer:
    from certification_pipeline.settings import SettingsError  # noqa: PLC0415 - lazy on purpose

    signer = settings.signer()
    if signer is None:
        told = "there is no key to sign with: an unsigned statement counts for nothing"
        raise SettingsError(
            told, "name one with --key or CERTIFY_SIGNING_KEY_FILE; make one: certify keys new"
        )
    return signer
