"""The sealed plan: the left end of the graph, and what makes a release."""

from collections import Counter
from collections.abc import Iterable

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.engines import AskedEngines
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT
from certification_pipeline.orchestration.launch import Launch, launched, launchpad
from certification_pipeline.orchestration.names import DIGESTS, OWNERS, PLAN, RELEASE
from certification_pipeline.orchestration.parts import narrowed_to
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.settings import RunSettings


def plan_asset(catalog: Catalog, profile: Profile, here: RunSettings) -> dg.AssetsDefinition:
    """Asset ``plan``: every cell of every engine of the profile, sealed by digest before anything runs.

    ``here`` are the code location's own settings, the launchpad's defaults.
    """

    def plan(
        context: dg.AssetExecutionContext,
        config: Launch,
        certification: CertificationResource,
        turn: ReleaseTurn,
        engines: dg.ResourceParam[AskedEngines],
    ) -> dg.MaterializeResult:
        with told_plainly():
            settings = launched(config, certification, catalog, context.run)
            settings.signer()  # a key that cannot be used is told now, not when all the work is done
            turn.begin(settings)
            sealed = engines.seal(settings, catalog, late.log_to(context.log), context.run)
        plans = list(sealed.plans.values())
        return dg.MaterializeResult(
            data_version=dg.DataVersion(DIGESTS.join(plan.plan_digest for plan in plans)),
            metadata={
                RELEASE: settings.release_id,
                "rows": plans[0].rows,
                "seed": plans[0].seed,
                "engines": late.table(late.DataFrame(map(_engine, plans))),
                "cells_planned": sum(len(plan.cells) for plan in plans),
                "cells_to_run": sum(cell.disposition == "run" for plan in plans for cell in plan.cells),
                "narrowed_to": narrowed_to(plans[0]),
                "required_beside": ", ".join(plans[0].required) or "nothing but what the plan calls for",
                "why_not_all": dg.MetadataValue.md(_why_not(plans)),
                "the_same_by_hand": settings.command(),
                **late.file_paths(settings.release_dir.parent, settings.release_id),
            },
        )

    # What Dagster reads the launchpad's fields and defaults from.
    plan.__annotations__["config"] = launchpad(here, catalog)
    return dg.asset(
        key=PLAN,
        group_name="plan",
        owners=OWNERS,
        kinds={"yaml"},
        tags={"certification/profile": profile.id},
        freshness_policy=DAILY_VERDICT,
        description=(
            f"**{profile.title}.** Seals one plan per engine: the seeds' whole matrix and every scenario the "
            "engine's claims call for. What cannot be reached stays in it as untested, with its remedy. "
            "Materializing it begins a new release; everything to its right works on the latest one. "
            "*Open launchpad* narrows, sizes and names it."
        ),
    )(plan)


def _engine(plan: CertificationPlan) -> dict[str, object]:
    count = Counter(cell.disposition for cell in plan.cells)
    return {
        "engine": plan.subject.engine,
        "version": plan.subject.version,
        "cells": len(plan.cells),
        "to run": count["run"],
        "untested": count["untested"],
        "not claimed": count["inapplicable"],
        "evidence beside the matrix": ", ".join(plan.families) or "none",
        "plan digest": plan.plan_digest,
    }


def _why_not(plans: Iterable[CertificationPlan]) -> str:
    lines: list[str] = []
    for plan in plans:
        reasons = Counter((c.detail or "", c.remedy or "") for c in plan.cells if c.disposition == "untested")
        lines += [
            f"- **{plan.subject.engine}**, {count} cells: {detail}\n  - next: {remedy}"
            for (detail, remedy), count in reasons.most_common()
        ]
    return "\n".join(lines) or "Everything planned can run here."
