"""The certification report of one engine: the matrix family's own artifact, recomputed from the cells."""

from collections.abc import Iterator

import dagster as dg

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.clicks import decide_again
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT
from certification_pipeline.orchestration.names import (
    PLAN,
    report_key,
    route_key,
    routes_of,
    tags_of,
)
from certification_pipeline.orchestration.parts import sealed_for
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.step import Event, chosen, step
from certification_pipeline.orchestration.turn import ReleaseTurn

CHECK = "required_cells_passed"


def report_asset(profile: Profile, engine: Engine) -> dg.AssetsDefinition:
    """``evidence/<engine>/certification_report``, made from the routes' cells."""
    key = report_key(engine.id)

    @step(
        dg.AssetSpec(
            key,
            # Without a route in the profile, the plan alone says that nothing was certified.
            deps=[route_key(engine.id, r.source, r.sink) for r, _ in routes_of(engine, profile)] or [PLAN],
            group_name="evidence",
            kinds={"json"},
            tags=tags_of(engine, profile),
            freshness_policy=DAILY_VERDICT,
            description=(
                f"`certification_report.json` of **{engine.title}**: every planned cell with the outcome its "
                "judgements give it, recomputed from the cells' files.\n\n"
                f"[Decide again]({decide_again(engine.id)}): then press *Materialize all*."
            ),
        ),
        dg.AssetCheckSpec(
            CHECK,
            asset=key,
            description="Every required cell of the sealed plan passed. Absence is never a pass.",
        ),
    )
    def certification_report(
        context: dg.AssetExecutionContext, certification: CertificationResource, turn: ReleaseTurn
    ) -> Iterator[Event]:
        with told_plainly():
            if sealed_for(context, certification, engine.id) is None:
                return
            directory = certification.directory(context.run, engine.id)
            turn.wait(directory)
            report = late.write_report(directory, context.run.run_id)
            view = late.load_subject(directory)
        more = {**late.matrix(view), **late.cells_metadata(view)}
        yield from chosen(context, [late.decided(directory, report, CHECK, more, key=key)])

    return certification_report
