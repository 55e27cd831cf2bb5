"""Publication of one engine's release: the right end of the graph, behind the one blocking check."""

from collections.abc import Collection, Iterator

import dagster as dg

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import WEEKLY_PUBLICATION
from certification_pipeline.orchestration.names import publish_key, summary_key, tags_of
from certification_pipeline.orchestration.parts import LEFT_OUT, asked_by_name, sealed_for
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.step import Event, step
from certification_pipeline.orchestration.turn import ReleaseTurn


def publish_asset(profile: Profile, engine: Engine, families: Collection[Family]) -> dg.AssetsDefinition:
    """``publish/<engine>``. A release that was sealed without one of ``families`` is refused."""

    key = publish_key(engine.id)

    @step(
        dg.AssetSpec(
            key,
            deps=[summary_key(engine.id)],
            group_name="publish",
            kinds={"json"},
            tags=tags_of(engine, profile),
            freshness_policy=WEEKLY_PUBLICATION,
            description=(
                f"The newest green release of **{engine.title}**, for badges and deployments to read. "
                "Verifies the summary once more and refuses anything but green, and a release of a part."
            ),
        )
    )
    def publish(
        context: dg.AssetExecutionContext, certification: CertificationResource, turn: ReleaseTurn
    ) -> Iterator[Event]:
        with told_plainly():
            plan = sealed_for(context, certification, engine.id)
            if plan is None:
                return
            if (less := late.of_a_part(plan, families)) and not asked_by_name(context.run):
                told = f"Not published, the plan {less[1]}. {late.WHOLE}"
                context.log.info(told)
                context.log_event(dg.AssetObservation(key, metadata={LEFT_OUT: told}))
                return
            directory = certification.directory(context.run, engine.id)
            turn.wait(directory)
            required = certification.settings().required
            published = late.publish(
                certification.store(),
                directory,
                context.run.run_id,
                require=required,
                families=families,
            )
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={"release": directory.release_id, **late.file_paths(published.parent, published.name)},
        )

    return publish
