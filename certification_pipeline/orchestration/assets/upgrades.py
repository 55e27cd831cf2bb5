"""``upgrades/<engine>``: a new version of an engine, certified and held against the version before."""

import threading
from collections.abc import Iterable, Iterator

import dagster as dg
from pydantic import Field

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import VERSION_MARK, Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.names import (
    NOTHING_REGRESSED,
    UPGRADES,
    tags_of,
    upgrade_key,
)
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.step import Event, chosen, op_of, step
from certification_pipeline.pipeline.upgrades.packages import can_be_named


class UpgradeConfig(dg.Config):
    """What the launchpad offers for an upgrade."""

    version: str | None = Field(
        None, description="The version to certify, e.g. 1.32.0; null: nothing is run. See `certify upgrades`."
    )
    against: str | None = Field(
        None, description="The release to compare with; null: the newest of the highest version below."
    )


def upgraded_engines(catalog: Catalog, engines: Iterable[str]) -> tuple[Engine, ...]:
    """Those of them whose versions can be named, without a version, in the catalogue's order."""
    named = {name.partition(VERSION_MARK)[0] for name in engines}
    return tuple(engine for name, engine in catalog.engines.items() if name in named and can_be_named(engine))


def upgrade_asset(catalog: Catalog, profile: Profile, engine: Engine) -> dg.AssetsDefinition:
    """The asset with its one check; without a version in the launchpad it does nothing, and says so."""
    key = upgrade_key(engine.id)

    @step(
        dg.AssetSpec(
            key,
            group_name=UPGRADES,
            kinds={*engine.kinds[-1:], "json"},
            tags=tags_of(engine, profile),
            description=(
                f"A new version of **{engine.title}**: a release of its own with the cells, rows and "
                "seed of the version before, compared cell by cell, and the state of a version before "
                "taken over (`compat.upgrade`). *Materialize* ▾ › *Open launchpad* takes the version: "
                f"`ops: {{{op_of(key)}: {{config: {{version: …}}}}}}`. Or switch the sensor "
                "`new_engine_version` on."
            ),
        ),
        dg.AssetCheckSpec(
            NOTHING_REGRESSED,
            asset=key,
            description="No cell that passed by the version before lacks a pass now, and its state is "
            "taken over. When red: read the regressions, and do not upgrade before they are understood.",
        ),
    )
    def upgrade(
        context: dg.AssetExecutionContext, config: UpgradeConfig, certification: CertificationResource
    ) -> Iterator[Event]:
        if not config.version:
            context.log.info(
                f"No version was asked for. `certify upgrades --engine {engine.id}` shows which there are; "
                "name one in the launchpad (`version`)."
            )
            return
        name = f"{engine.id}{VERSION_MARK}{config.version}"
        with told_plainly():
            settings = certification.settings(engines=(name,))
            made = late.certify_upgrade(
                settings, catalog, late.log_to(context.log), threading.Event(), against=config.against
            )
            directory = certification.store().release_path(made.after.plan.release_id)
        files = late.file_paths(directory, late.UPGRADE_PAGE, "report.html")
        result: dg.MaterializeResult = dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(made.after.plan.plan_digest),
            metadata={**_shown(made), **files, "to_read": late.page(late.upgrade_markdown(made))},
            check_results=[_checked(made, key)],
        )
        yield from chosen(context, [result])

    return upgrade


def _shown(made: "late.Upgrade") -> "late.Metadata":
    diff = made.diff
    shown: late.Metadata = {
        "0_verdict": dg.MetadataValue.text(f"{made.outcome.value}: {made.said}"),
        "1_regressions_first": late.table(late.regressions_table(made)),
        "3_note_on_state": dg.MetadataValue.text(made.note),
        "version_before": dg.MetadataValue.text(made.before.subject.version),
        "version": dg.MetadataValue.text(made.after.subject.version),
        "release_before": dg.MetadataValue.text(made.before.plan.release_id),
        "release": dg.MetadataValue.text(made.after.plan.release_id),
        "regressions": dg.MetadataValue.int(len(diff.regressions)),
        "compared": dg.MetadataValue.int(diff.compared),
        "changed": dg.MetadataValue.int(sum(change.kind.value != "same" for change in diff.changes)),
    }
    if made.resumed:
        shown["2_state_taken_over"] = late.table(late.state_table(made))
    return dict(sorted(shown.items()))


def _checked(made: "late.Upgrade", key: dg.AssetKey) -> dg.AssetCheckResult:
    red = made.outcome is Outcome.FAILED
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=NOTHING_REGRESSED,
        passed=made.outcome is Outcome.PASSED,
        severity=dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN,
        description=f"{made.before.subject.version} → {made.after.subject.version}: {made.said}",
        metadata={"1_regressions_first": late.table(late.regressions_table(made))},
    )
