"""The gates of one engine: bundles, suite, chain, release summary. The one blocking check is in here.

Edges as seed 003 draws them: replay and connector evidence reach the suite through the strategy bundle.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.assets.connectors import (
    connector_check_specs,
    connector_specs,
    dossiers,
)
from certification_pipeline.orchestration.clicks import decide_again
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT
from certification_pipeline.orchestration.names import (
    CHAIN_CHECK,
    OWNERS,
    PUBLISHABLE,
    chain_key,
    evidence_bundle_key,
    family_key,
    report_key,
    strategy_bundle_key,
    suite_key,
    summary_key,
    tags_of,
    word,
)
from certification_pipeline.orchestration.parts import sealed_for
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.step import Event, chosen, step
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.settings import RunSettings


class Gate(NamedTuple):
    """A gate that decides from files: where its asset stands in the graph, and who writes its artifact."""

    key: Callable[[str], dg.AssetKey]
    check: str
    passes_when: str
    proves: str
    write: Callable[[SubjectDir, str, RunSettings], Decision]


STRATEGY_BUNDLE = Gate(
    strategy_bundle_key,
    "bundle_passed",
    "Replay, matrix, connector and benchmark evidence is there, verified and green.",
    "what a review of the load strategies attaches, each artifact by digest, with the pages that explain it.",
    lambda directory, run_id, settings: late.write_strategy_bundle(directory, run_id),
)
EVIDENCE_BUNDLE = Gate(
    evidence_bundle_key,
    "bundle_passed",
    "Every artifact that the sealed plan calls for is there, verified and green.",
    "checksummed evidence for going live: every artifact of the release.",
    lambda directory, run_id, settings: late.write_evidence_bundle(directory, run_id),
)
SUITE = Gate(
    suite_key,
    "suite_passed",
    "Every required item is verified and green.",
    "ties the evidence families together; items are recomputed, never believed.",
    lambda directory, run_id, settings: late.write_suite(directory, run_id, require=settings.required),
)


def verdict_assets(
    catalog: Catalog, profile: Profile, engine: Engine, families: Collection[Family]
) -> list[dg.AssetsDefinition]:
    """Evidence → bundles → ``certification_suite`` → ``evidence_chain`` → ``release_summary``."""

    def evidence(*wanted: Family) -> list[dg.AssetKey]:
        made = (family_key(engine.id, family) for family in wanted if family in families)
        return [report_key(engine.id), *made]

    strategy, bundle = strategy_bundle_key(engine.id), evidence_bundle_key(engine.id)
    strategies = evidence(Family.REPLAY, Family.CONNECTOR_LIVE, Family.BENCHMARK)
    items = evidence(Family.BENCHMARK, Family.OPENLINEAGE, Family.DBT_LINEAGE)
    return [
        _gate(engine, profile, STRATEGY_BUNDLE, strategies),
        _gate(engine, profile, EVIDENCE_BUNDLE, [*evidence(*families), strategy]),
        _gate(engine, profile, SUITE, [*items, strategy, bundle]),
        _chain_and_summary(catalog, engine, profile),
    ]


def _gate(engine: Engine, profile: Profile, gate: Gate, deps: Iterable[dg.AssetKey]) -> dg.AssetsDefinition:
    key = gate.key(engine.id)

    @step(
        dg.AssetSpec(
            key,
            deps=list(deps),
            group_name="verdict",
            kinds={"json"},
            tags=tags_of(engine, profile),
            freshness_policy=DAILY_VERDICT,
            description=(
                f"`{key.path[-1]}.json` of **{engine.title}**: {gate.proves} When red, its blockers say what "
                f"to do; mend the first, then [decide again]({decide_again(engine.id)}): *Materialize all*."
            ),
        ),
        dg.AssetCheckSpec(gate.check, asset=key, description=gate.passes_when),
    )
    def decision(
        context: dg.AssetExecutionContext, certification: CertificationResource, turn: ReleaseTurn
    ) -> Iterator[Event]:
        with told_plainly():
            if sealed_for(context, certification, engine.id) is None:
                return
            directory = certification.directory(context.run, engine.id)
            turn.wait(directory)
            made = gate.write(directory, context.run.run_id, certification.settings())
        more = {**late.shown(made), "to_read": late.page(late.markdown(made))}
        yield from chosen(context, [late.decided(directory, made, gate.check, more, key=key)])

    return decision


def _chain_and_summary(catalog: Catalog, engine: Engine, profile: Profile) -> dg.AssetsDefinition:
    """In one step: the summary names the chain's entry, which is made for it; levels rest on that entry."""
    chain, summary = chain_key(engine.id), summary_key(engine.id)

    def spec(key: dg.AssetKey, dep: dg.AssetKey, description: str) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            deps=[dep],
            group_name="verdict",
            owners=OWNERS,
            kinds={"json"},
            tags=tags_of(engine, profile),
            freshness_policy=DAILY_VERDICT,
            skippable=True,
            description=description,
        )

    @dg.multi_asset(
        name=f"decide_{word(engine.id)}",
        can_subset=True,
        specs=[
            spec(
                chain,
                suite_key(engine.id),
                f"The append-only hash chain of **{engine.title}**, over every file of every release: an "
                "edited, deleted, added or reordered piece shows. Keep the newest hash elsewhere: a "
                "chain that was written anew shows only there (`certify chain verify --anchor`).",
            ),
            spec(
                summary,
                chain,
                f"`release_summary.json` of **{engine.title}**: the decision, recomputed from the files on "
                "disk, and `report.html` of the whole release. When red, `2_what_to_do` says what to click, "
                f"cause by cause; then [decide again]({decide_again(engine.id)}): *Materialize all*. "
                "[Every release to read and download](/evidence/).",
            ),
            *connector_specs(catalog, profile, engine),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                CHAIN_CHECK,
                asset=chain,
                description="Every link follows from the one before it, and every file is as it was chained.",
            ),
            dg.AssetCheckSpec(
                PUBLISHABLE,
                asset=summary,
                blocking=True,
                description="The release may go out. The only blocking check: it stands before `publish`.",
            ),
            *connector_check_specs(catalog, profile, engine),
        ],
    )
    def decide(
        context: dg.AssetExecutionContext, certification: CertificationResource, turn: ReleaseTurn
    ) -> Iterator[Event]:
        with told_plainly():
            if sealed_for(context, certification, engine.id) is None:
                return
            directory = certification.directory(context.run, engine.id)
            turn.wait(directory)
            settings = certification.settings()
            required, signer = settings.required, settings.signer()
            _, decision = late.write_summary(
                directory, context.run.run_id, require=required, signer=signer, trusted=settings.trusted()
            )
            store = certification.store()
            release = late.load_release(store, directory.release_id, require=required)
            html = store.release_path(directory.release_id) / "report.html"
            late.write_pages(release, catalog, store, html, signer=signer)
        links = late.chained(store, directory, chain)
        view = next(one for one in release.subjects if one.subject.engine == engine.id)
        more = {
            **late.matrix(view),
            **late.what_to_do(view),
            **late.figures(view.lines),
            "to_read": late.page(late.markdown(decision)),
            **late.file_paths(html.parent, html.name),
        }
        verdict = late.decided(directory, decision, PUBLISHABLE, more, blocking=True, key=summary)
        proven = dossiers(catalog, profile, engine, directory=directory, run_id=context.run.run_id, view=view)
        yield from chosen(context, [links, verdict, *proven])

    return decide
