"""The gates of one engine: suite and release summary. The one blocking check is in here."""

from collections.abc import Collection

import dagster as dg

from certification_pipeline.catalog.models import Catalog, Engine, Profile
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.gates.decide import write_suite, write_summary
from certification_pipeline.orchestration.decided import decided
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT
from certification_pipeline.orchestration.names import (
    OWNERS,
    PUBLISHABLE,
    family_key,
    report_key,
    suite_key,
    summary_key,
    tags_of,
)
from certification_pipeline.orchestration.render import figures, file_paths, matrix, page, what_to_do
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.report.html import write_html
from certification_pipeline.report.loading import load_release

SUITE_CHECK = "suite_passed"


def verdict_assets(
    catalog: Catalog, profile: Profile, engine: Engine, families: Collection[Family]
) -> list[dg.AssetsDefinition]:
    """Evidence → ``certification_suite`` → ``release_summary``."""
    return [_suite(engine, profile, families), _summary(catalog, engine, profile)]


def _suite(engine: Engine, profile: Profile, families: Collection[Family]) -> dg.AssetsDefinition:
    key = suite_key(engine.id)

    @dg.asset(
        key=key,
        deps=[report_key(engine.id), *(family_key(engine.id, family) for family in families)],
        group_name="verdict",
        owners=OWNERS,
        kinds={"json"},
        tags=tags_of(engine, profile),
        freshness_policy=DAILY_VERDICT,
        check_specs=[
            dg.AssetCheckSpec(
                SUITE_CHECK, asset=key, description="Every required item is verified and green."
            )
        ],
        description=(
            f"`certification_suite.json` of **{engine.title}**: ties the evidence families together; items "
            "are recomputed, never believed."
        ),
    )
    def certification_suite(
        context: dg.AssetExecutionContext, certification: CertificationResource
    ) -> dg.MaterializeResult:
        with told_plainly():
            directory = certification.directory(context.run, engine.id)
            required = certification.settings().required
            suite = write_suite(directory, context.run.run_id, require=required)
        return decided(directory, suite, SUITE_CHECK, {"to_read": page(markdown(suite))})

    return certification_suite


def _summary(catalog: Catalog, engine: Engine, profile: Profile) -> dg.AssetsDefinition:
    key = summary_key(engine.id)

    @dg.asset(
        key=key,
        deps=[suite_key(engine.id)],
        group_name="verdict",
        owners=OWNERS,
        kinds={"json"},
        tags=tags_of(engine, profile),
        freshness_policy=DAILY_VERDICT,
        check_specs=[
            dg.AssetCheckSpec(
                PUBLISHABLE,
                asset=key,
                blocking=True,
                description="The release may go out. The only blocking check: it stands before `publish`.",
            )
        ],
        description=(
            f"`release_summary.json` of **{engine.title}**: the decision, recomputed from the files on disk, "
            "and `report.html` of the whole release."
        ),
    )
    def release_summary(
        context: dg.AssetExecutionContext, certification: CertificationResource
    ) -> dg.MaterializeResult:
        with told_plainly():
            directory = certification.directory(context.run, engine.id)
            required = certification.settings().required
            _, summary = write_summary(directory, context.run.run_id, require=required)
            store = certification.store()
            release = load_release(store, directory.release_id, require=required)
            html = store.release_path(directory.release_id) / "report.html"
            write_html(release, catalog, html)
        view = next(one for one in release.subjects if one.subject.engine == engine.id)
        more = {
            "1_matrix": matrix(view),
            "2_what_to_do_next": what_to_do(view),
            **figures(view.lines),
            "to_read": page(markdown(summary)),
            **file_paths(html.parent, html.name),
        }
        return decided(directory, summary, PUBLISHABLE, more, blocking=True)

    return release_summary
