"""The ``certify`` application: which commands there are. Importing it must stay cheap."""

from __future__ import annotations

from typing import Annotated

import typer

from certification_pipeline.cli import (
    attest,
    badges,
    benchmark,
    bundles,
    calibrate,
    chain,
    chain_proof,
    claims,
    compare,
    connectors,
    dbt_lineage,
    decide,
    diff,
    engine,
    export,
    findings,
    foreign,
    guarantees,
    keys,
    levels,
    lineage,
    look,
    notify,
    publish_pages,
    replay,
    run,
    stores,
    ui,
    upgrades,
    verify,
)

app = typer.Typer(
    name="certify",
    help="Certify data connectors: move real rows, break the run on purpose, judge every row.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 green, 1 red, 2 usage, 3 inconclusive.",
)


def _version(asked: bool) -> None:
    if asked:
        from certification_pipeline import __version__  # noqa: PLC0415 - lazy on purpose

        typer.echo(f"certify {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Certify data connectors: move real rows, break the run on purpose, judge every row."""


app.command()(run.run)
app.command()(run.plan)
app.command()(run.matrix)
app.command()(look.show)
app.command()(look.report)
app.command()(diff.diff)
app.command()(compare.compare)
app.command()(benchmark.benchmark)
app.command("strategy-bundle")(bundles.strategy_bundle)
app.command("evidence-bundle")(bundles.evidence_bundle)
app.command()(lineage.lineage)
app.command()(connectors.connectors)
app.command("dbt-lineage")(dbt_lineage.dbt_lineage)
app.command()(decide.suite)
app.command("release-summary")(decide.release_summary)
app.command()(verify.verify)
app.command()(calibrate.calibrate)
app.command()(levels.levels)
app.command()(guarantees.guarantees)
app.command()(notify.notify)
app.command()(badges.badges)
app.command()(export.export)
app.command("publish-pages")(publish_pages.publish_pages)
app.command()(foreign.dpone)
app.command()(claims.claims)
app.command()(upgrades.upgrades)
app.command()(upgrades.upgrade)
app.command()(look.doctor)
app.command()(ui.ui)
app.add_typer(findings.findings_app, name="findings")
app.add_typer(replay.replay_app, name="replay")
chain.chain_app.command("anchor")(chain_proof.chain_anchor)
chain.chain_app.command("prove")(chain_proof.chain_prove)
chain.chain_app.command("check-proof")(chain_proof.chain_check_proof)
app.add_typer(attest.attest_app, name="attest")
app.add_typer(chain.chain_app, name="chain")
app.add_typer(keys.keys_app, name="keys")
app.command()(stores.push)
app.command()(stores.pull)
app.add_typer(stores.store_app, name="store")
app.add_typer(look.scenario_app, name="scenario")
app.add_typer(engine.engine_app, name="engine")
app.add_typer(look.catalog_app, name="catalog")
