"""Report, suite, release summary and publication of one engine. The one blocking check is in here."""

import dagster as dg

from certification_pipeline.catalog.models import Catalog, Engine, Profile
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import write_report, write_suite, write_summary
from certification_pipeline.gates.publish import publish as publish_release
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT, WEEKLY_PUBLICATION
from certification_pipeline.orchestration.names import (
    OWNERS,
    PLAN,
    PUBLISHABLE,
    publish_key,
    report_key,
    route_key,
    routes_of,
    suite_key,
    summary_key,
    tags_of,
)
from certification_pipeline.orchestration.render import (
    Metadata,
    blockers,
    cells_metadata,
    figures,
    file_paths,
    matrix,
    what_to_do,
)
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.report.html import write_html
from certification_pipeline.report.loading import load_release, load_subject

Materialized = dg.MaterializeResult


def verdict_assets(catalog: Catalog, profile: Profile, engine: Engine) -> list[dg.AssetsDefinition]:
    """``certification_report`` → ``certification_suite`` → ``release_summary`` → ``publish``."""
    return [
        _report(engine, profile),
        _suite(engine, profile),
        _summary(catalog, engine, profile),
        _publish(engine, profile),
    ]


def _report(engine: Engine, profile: Profile) -> dg.AssetsDefinition:
    key = report_key(engine.id)

    @dg.asset(
        key=key,
        # Without a route in the profile, the plan alone says that nothing was certified.
        deps=[route_key(engine.id, r.source, r.sink) for r, _ in routes_of(engine, profile)] or [PLAN],
        group_name="evidence",
        owners=OWNERS,
        kinds={"json"},
        tags=tags_of(engine, profile),
        freshness_policy=DAILY_VERDICT,
        check_specs=[
            dg.AssetCheckSpec(
                "required_cells_passed",
                asset=key,
                description="Every required cell of the sealed plan passed. Absence is never a pass.",
            )
        ],
        description=(
            f"`certification_report.json` of **{engine.title}**: every planned cell with the outcome its "
            "judgements give it, recomputed from the cells' files."
        ),
    )
    def certification_report(
        context: dg.AssetExecutionContext, certification: CertificationResource
    ) -> Materialized:
        with told_plainly():
            directory = certification.directory(context.run, engine.id)
            report = write_report(directory, context.run.run_id)
            view = load_subject(directory)
        more = {"1_matrix": matrix(view), **cells_metadata(view)}
        return _decided(directory, report, "required_cells_passed", more)

    return certification_report


def _suite(engine: Engine, profile: Profile) -> dg.AssetsDefinition:
    key = suite_key(engine.id)

    @dg.asset(
        key=key,
        deps=[report_key(engine.id)],
        group_name="verdict",
        owners=OWNERS,
        kinds={"json"},
        tags=tags_of(engine, profile),
        freshness_policy=DAILY_VERDICT,
        check_specs=[
            dg.AssetCheckSpec(
                "suite_passed", asset=key, description="Every required item is verified and green."
            )
        ],
        description=(
            f"`certification_suite.json` of **{engine.title}**: ties the evidence families together; items "
            "are recomputed, never believed."
        ),
    )
    def certification_suite(
        context: dg.AssetExecutionContext, certification: CertificationResource
    ) -> Materialized:
        with told_plainly():
            directory = certification.directory(context.run, engine.id)
            required = certification.settings().required
            suite = write_suite(directory, context.run.run_id, require=required)
        return _decided(directory, suite, "suite_passed", {"to_read": dg.MetadataValue.md(markdown(suite))})

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
    ) -> Materialized:
        with told_plainly():
            directory = certification.directory(context.run, engine.id)
            required = certification.settings().required
            _, summary = write_summary(directory, context.run.run_id, require=required)
            store = certification.store()
            release = load_release(store, directory.release_id, require=required)
            page = store.release_path(directory.release_id) / "report.html"
            write_html(release, catalog, page)
        view = next(one for one in release.subjects if one.subject.engine == engine.id)
        more = {
            "1_matrix": matrix(view),
            "2_what_to_do_next": what_to_do(view),
            **figures(view.lines),
            "to_read": dg.MetadataValue.md(markdown(summary)),
            **file_paths(page.parent, page.name),
        }
        return _decided(directory, summary, PUBLISHABLE, more)

    return release_summary


def _publish(engine: Engine, profile: Profile) -> dg.AssetsDefinition:
    @dg.asset(
        key=publish_key(engine.id),
        deps=[summary_key(engine.id)],
        group_name="publish",
        owners=OWNERS,
        kinds={"json"},
        tags=tags_of(engine, profile),
        freshness_policy=WEEKLY_PUBLICATION,
        description=(
            f"The newest green release of **{engine.title}**, for badges and deployments to read. "
            "Verifies the summary once more and refuses anything but green."
        ),
    )
    def publish(context: dg.AssetExecutionContext, certification: CertificationResource) -> Materialized:
        with told_plainly():
            directory = certification.directory(context.run, engine.id)
            required = certification.settings().required
            published = publish_release(
                certification.store(), directory, context.run.run_id, require=required
            )
        return dg.MaterializeResult(
            metadata={"release": directory.release_id, **file_paths(published.parent, published.name)}
        )

    return publish


def _decided(directory: SubjectDir, decision: Decision, check: str, more: Metadata) -> Materialized:
    first = decision.blockers[0] if decision.blockers else None
    metadata: Metadata = {
        "0_verdict": dg.MetadataValue.text(decision.outcome.value),
        "3_what_blocks": blockers(decision.blockers),
        "blockers": dg.MetadataValue.int(len(decision.blockers)),
        "release": dg.MetadataValue.text(decision.release_id),
        "subject": dg.MetadataValue.text(f"{decision.subject.engine} {decision.subject.version}"),
        **more,
        **file_paths(directory.path, f"{decision.KIND}.json", f"{decision.KIND}.md"),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(decision.content_digest),
        metadata=dict(sorted(metadata.items())),
        check_results=[
            dg.AssetCheckResult(
                check_name=check,
                passed=decision.outcome is Outcome.PASSED,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"{first.code}: {first.message}" if first else decision.outcome.value,
                metadata={"3_what_blocks": blockers(decision.blockers)},
            )
        ],
    )
