"""One asset per evidence family that the profile makes for an engine, beside the matrix.

The families of an engine that may be made side by side are one step, as in `certify run`: a step each would
be one after the other, and most of what they do is wait. What each proves is in ``ABOUT``.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import MEASURED_ALONE, Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.clicks import family_again
from certification_pipeline.orchestration.engines import AskedEngines
from certification_pipeline.orchestration.failures import ToldLater, told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT, WEEKLY_EVIDENCE
from certification_pipeline.orchestration.names import (
    CALIBRATION,
    FAMILY_ASSETS,
    FAMILY_TAG,
    OWNERS,
    PASSED,
    PLAN,
    family_key,
    route_key,
    routes_of,
    tags_of,
    word,
)
from certification_pipeline.orchestration.parts import left_out, not_looked_at, sealed_for
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.step import Event, chosen, op_of
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.settings import RunSettings


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
    """``evidence/<engine>/…`` for these families: one step for all that may be made side by side.

    What is measured alone is a step of its own, and comes first.
    """
    alone = [family for family in families if family in MEASURED_ALONE]
    beside = [family for family in families if family not in MEASURED_ALONE]
    parts = [(op_of(family_key(engine.id, family)), [family]) for family in alone]
    if beside:
        parts.append((f"evidence_{word(engine.id)}", beside))
    return [
        _step(catalog, engine, [_spec(profile, engine, family, families) for family in part], name, part)
        for name, part in parts
    ]


def _spec(profile: Profile, engine: Engine, family: Family, families: Collection[Family]) -> dg.AssetSpec:
    about = ABOUT[family]
    return dg.AssetSpec(
        family_key(engine.id, family),
        deps=_deps(profile, engine, about, families),
        # A release that leaves the engine out makes none of them.
        skippable=True,
        group_name="evidence",
        owners=OWNERS,
        kinds=set(about.kinds),
        tags={**tags_of(engine, profile), FAMILY_TAG: family.value},
        freshness_policy=about.freshness,
        description=(
            f"`{layout.FAMILY_ARTIFACTS[family]}` of **{engine.title}**. {about.proves} {about.when_red} "
            f"\n\n**[Make it again and decide]({family_again(engine.id, family)})**: "
            "then press *Materialize all*."
        ),
    )


def _check(engine: Engine, family: Family) -> dg.AssetCheckSpec:
    about = ABOUT[family]
    return dg.AssetCheckSpec(
        PASSED,
        asset=family_key(engine.id, family),
        description=f"Passes when: {about.proves} When red: {about.when_red}",
    )


def _step(
    catalog: Catalog,
    engine: Engine,
    specs: Sequence[dg.AssetSpec],
    name: str,
    families: Sequence[Family],
) -> dg.AssetsDefinition:
    keys = {family: family_key(engine.id, family) for family in families}

    @dg.multi_asset(
        name=name,
        can_subset=True,
        specs=specs,
        check_specs=[_check(engine, family) for family in families],
        # The cells come first, and what is measured alone before the rest, as in `certify run`.
        op_tags={"dagster/priority": "-1" if MEASURED_ALONE.issuperset(families) else "-2"},
    )
    def evidence(
        context: dg.AssetExecutionContext,
        certification: CertificationResource,
        turn: ReleaseTurn,
        engines: dg.ResourceParam[AskedEngines],
    ) -> Iterator[Event]:
        checks = context.selected_asset_check_keys
        clicked = context.selected_asset_keys | {check.asset_key for check in checks}
        asked = [family for family, key in keys.items() if key in clicked]
        with told_plainly():
            plan = sealed_for(context, certification, engine.id)
        if plan is None:
            return
        absent = [family for family in asked if family not in plan.families]
        gone = [keys[family] for family in absent]
        later = ToldLater()
        with later.kept():
            yield from left_out(context, plan, ", ".join(absent), *gone)
            yield from not_looked_at(plan, [check for check in checks if check.asset_key in gone])
        due = [family for family in asked if family in plan.families]
        if due:
            said: list[late.FamilyFinished] = []
            with told_plainly():
                directory = certification.directory(context.run, engine.id)
                turn.wait(directory)
                settings = certification.settings(directory.release_id)
                tell = _also(said, late.log_to(context.log))
                release = engines.reopen(settings, catalog, engine.id, tell, context.run)
            ended = False
            with later.kept():
                cancel = threading.Event()  # set in there when the run is terminated
                late.make_families(settings, catalog, release, tell, cancel, chosen={engine.id: due})
                ended = True
            for family in due:
                its_own = [event for event in said if event.family is family]
                with later.kept():
                    made = _made(directory, family, context.run.run_id)
                    if made is not None:
                        yield from chosen(context, [_shown(directory, made, keys[family], its_own)])
                    elif ended or its_own:  # else what was raised is all that is known of it
                        raise dg.Failure(_nothing_made(release, settings, engine, family, its_own))
        later.tell()

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


def _made(directory: SubjectDir, family: Family, run_id: str) -> Decision | None:
    """The family's artifact on disk; ``None`` when there is none that this run has made."""
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
    return made if made.run_id == run_id else None


def _shown(
    directory: SubjectDir, made: Decision, key: dg.AssetKey, said: "Sequence[late.FamilyFinished]"
) -> dg.MaterializeResult:
    more = {
        **late.shown(made),
        "seconds": dg.MetadataValue.float(round(sum(event.seconds for event in said), 1)),
        "to_read": late.page(late.markdown(made)),
    }
    return late.decided(directory, made, PASSED, more, recomputed=_recomputed(directory, made), key=key)


def _nothing_made(
    release: "late.SealedRelease",
    settings: RunSettings,
    engine: Engine,
    family: Family,
    said: "Sequence[late.FamilyFinished]",
) -> str:
    missing = release.engines[engine.id]
    if isinstance(missing, late.MissingEngine):
        return f"{missing.detail}. {missing.remedy}"
    return (
        f"Nothing was made of {FAMILY_ASSETS[family]}: {said[-1].detail if said else 'it did not begin'}. "
        f"The traceback is in {settings.release_dir / late.HARNESS_LOG}; the verdict says what is missing."
    )


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
