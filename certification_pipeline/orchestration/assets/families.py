"""One asset per evidence family that the profile makes for an engine, beside the matrix.

The body is the same for all: make the family, read its artifact back. What each proves is in ``ABOUT``.
"""

import threading
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.clicks import family_again
from certification_pipeline.orchestration.engines import AskedEngines
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT, WEEKLY_EVIDENCE
from certification_pipeline.orchestration.names import (
    CALIBRATION,
    FAMILY_ASSETS,
    FAMILY_TAG,
    PASSED,
    PLAN,
    family_key,
    route_key,
    routes_of,
    tags_of,
)
from certification_pipeline.orchestration.parts import left_out, not_looked_at, sealed_for
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.step import Event, chosen, step
from certification_pipeline.orchestration.turn import ReleaseTurn


class About(NamedTuple):
    """What people read about a family in the graph."""

    proves: str
    when_red: str
    kinds: tuple[str, ...]
    follows: tuple[Family, ...] = ()
    """The families it is made from; ``MATRIX`` is the routes. None: the plan alone."""
    freshness: dg.FreshnessPolicy = WEEKLY_EVIDENCE


ABOUT: Mapping[Family, About] = MappingProxyType(
    {
        Family.BENCHMARK: About(
            "Real loads are measured beside the baseline in the same run, and none is slower than allowed.",
            "Measure once more on a quiet machine before changing a baseline.",
            ("json", "postgresql"),
        ),
        Family.OPENLINEAGE: About(
            "Each load that ran is told as OpenLineage events, and datasets, columns and counts in them are "
            "what the oracle saw.",
            "Read which event or count disagrees; when cells were run again, materialize it again.",
            ("openlineage", "json"),
            (Family.MATRIX,),
        ),
        Family.DBT_LINEAGE: About(
            "A real dbt project runs on tables that a certified load wrote; source column → sink column → "
            "model column is one graph.",
            "Read which model or test failed; its artifacts lie beside the evidence.",
            ("dbt", "duckdb", "json"),
        ),
        Family.REPLAY: About(
            "Resyncs and resumes of real runs: rows inside exact, rows outside untouched, twice is once.",
            "Read which rows differ; the replay is planned first and can be executed alone.",
            ("postgresql", "json"),
            (Family.MATRIX,),
        ),
        Family.CONNECTOR_LIVE: About(
            "Each connector's checklist (seed 000), item by item, from JUnit results and not from flags.",
            "Read which item of which connector is red, or which credential is missing and how to get it.",
            ("python", "json"),
            freshness=DAILY_VERDICT,
        ),
        Family.CALIBRATION: About(
            "Every planted defect was seen by this very bench, every scenario saw one, and the clean engine "
            "was green.",
            "Materialize `evidence/calibration` (or run `certify calibrate`), then this; read which defect "
            "survived.",
            ("python", "json"),
        ),
    }
)


def family_assets(
    catalog: Catalog, profile: Profile, engine: Engine, families: Collection[Family]
) -> list[dg.AssetsDefinition]:
    """``evidence/<engine>/…`` for these families."""
    return [_family(catalog, profile, engine, family, families) for family in families]


def _family(
    catalog: Catalog, profile: Profile, engine: Engine, family: Family, families: Collection[Family]
) -> dg.AssetsDefinition:
    about = ABOUT[family]
    key = family_key(engine.id, family)

    @step(
        dg.AssetSpec(
            key,
            deps=_deps(profile, engine, about, families),
            group_name="evidence",
            kinds=set(about.kinds),
            tags={**tags_of(engine, profile), FAMILY_TAG: family.value},
            freshness_policy=about.freshness,
            description=(
                f"`{layout.FAMILY_ARTIFACTS[family]}` of **{engine.title}**. {about.proves} {about.when_red} "
                f"\n\n**[Make it again and decide]({family_again(engine.id, family)})**: "
                "then press *Materialize all*."
            ),
        ),
        dg.AssetCheckSpec(
            PASSED, asset=key, description=f"Passes when: {about.proves} When red: {about.when_red}"
        ),
        # The cells come first, and families in the order in which `certify run` makes them.
        op_tags={"dagster/priority": str(-1 - list(FAMILY_ASSETS).index(family))},
    )
    def evidence(
        context: dg.AssetExecutionContext,
        certification: CertificationResource,
        turn: ReleaseTurn,
        engines: AskedEngines,
    ) -> Iterator[Event]:
        said: list[late.FamilyFinished] = []
        with told_plainly():
            plan = sealed_for(context, certification, engine.id)
            if plan is None:
                return
            if family not in plan.families:
                yield from left_out(context, plan, family.value, key)
                yield from not_looked_at(plan, context.selected_asset_check_keys)
                return
            directory = certification.directory(context.run, engine.id)
            turn.wait(directory)
            settings = certification.settings(directory.release_id)
            tell = _also(said, late.log_to(context.log))
            release = engines.reopen(settings, catalog, engine.id, tell, context.run)
            late.run_family(
                settings, catalog, release, tell, threading.Event(), family=family, engines=(engine.id,)
            )
            made = _made(directory, family)
        if made is None or made.run_id != context.run.run_id:
            missing = release.engines[engine.id]
            raise dg.Failure(
                f"{missing.detail}. {missing.remedy}"
                if isinstance(missing, late.MissingEngine)
                else f"Nothing was made: {said[-1].detail if said else 'it did not begin'}. The traceback is "
                f"in {settings.release_dir / late.HARNESS_LOG}; the verdict says what is missing.",
                allow_retries=False,
            )
        with told_plainly():
            recomputed = _recomputed(directory, made)
        more = {
            **late.shown(made),
            "seconds": dg.MetadataValue.float(round(sum(event.seconds for event in said), 1)),
            "to_read": late.page(late.markdown(made)),
        }
        yield from chosen(
            context, [late.decided(directory, made, PASSED, more, recomputed=recomputed, key=key)]
        )

    return evidence


def _deps(profile: Profile, engine: Engine, about: About, families: Collection[Family]) -> list[dg.AssetKey]:
    deps: list[dg.AssetKey] = []
    for source in about.follows:
        if source is Family.MATRIX:
            deps += [
                route_key(engine.id, route.source, route.sink) for route, _ in routes_of(engine, profile)
            ]
        elif source in families:
            deps.append(family_key(engine.id, source))
    if about is ABOUT[Family.CALIBRATION]:
        deps += [PLAN, CALIBRATION]
    return deps or [PLAN]


def _also(said: "list[late.FamilyFinished]", tell: "late.OnEvent") -> "late.OnEvent":
    def both(event: "late.RunEvent") -> None:
        if isinstance(event, late.FamilyFinished):
            said.append(event)
        tell(event)

    return both


def _made(directory: SubjectDir, family: Family) -> Decision | None:
    """The family's artifact as it lies on disk, made by whichever run; ``None`` when there is none."""
    path = layout.FAMILY_ARTIFACTS[family]
    models = {model.KIND: model for model in late.ARTIFACTS}
    try:
        made = directory.read(path, models[path.removesuffix(".json")])
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return None
        raise
    if not isinstance(made, Decision):
        raise TypeError(f"{path} is no decision")
    return made


def _recomputed(directory: SubjectDir, made: Decision) -> "late.Recomputed":
    """The colour is what the gates will say, which know of earlier failures; not what the file says."""
    found = late.verification_of(directory, f"{made.KIND}.json", stamp(made.run_id))
    if not found.problems:
        return late.Recomputed(found.outcome, found.because)
    unlike = Blocker(
        code=f"{made.KIND}.not_verified",
        message="; ".join(found.problems),
        next_step="Materialize it again; if it stays, report it: the artifact contradicts its own evidence",
    )
    return late.Recomputed(Outcome.FAILED, (unlike, *found.because))
