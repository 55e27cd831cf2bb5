"""Route assets with strategy checks: *Execute* on a red check reruns exactly that strategy on that route.

One subsettable ``multi_asset`` per engine: whatever is asked of it, of however many sources, one crew runs
(ADR 26). Measured before it was chosen: in a check-only run Dagster hands the op the single check and no
asset, at a tenth of the cost of a partition or a step a cell.
"""

import hashlib
import threading
from collections.abc import Collection, Iterator, Sequence

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.clicks import decide_again, route_again
from certification_pipeline.orchestration.engines import AskedEngines
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.freshness import DAILY_VERDICT
from certification_pipeline.orchestration.names import (
    MATRIX_POOL,
    OWNERS,
    PLAN,
    route_key,
    routes_of,
    tags_of,
    word,
)
from certification_pipeline.orchestration.parts import asked_by_name, left_out, not_looked_at, sealed_for
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.turn import ReleaseTurn

MatrixEvent = dg.MaterializeResult | dg.AssetCheckResult
Ends = tuple[str, str]
"""A route's source and sink."""


def matrix_assets(catalog: Catalog, profile: Profile, engine: Engine) -> list[dg.AssetsDefinition]:
    """The engine's routes inside the profile; nothing for an engine that has none there."""
    routes = [((route.source, route.sink), strategies) for route, strategies in routes_of(engine, profile)]
    return [_matrix(catalog, profile, engine, routes)] if routes else []


def _matrix(
    catalog: Catalog,
    profile: Profile,
    engine: Engine,
    routes: Sequence[tuple[Ends, tuple[Strategy, ...]]],
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"matrix_{word(engine.id)}",
        can_subset=True,
        specs=[
            _route_spec(
                catalog,
                profile,
                engine,
                strategies=strategies,
                ends=ends,
                again=route_again(engine.id, *ends),
            )
            for ends, strategies in routes
        ],
        check_specs=[
            dg.AssetCheckSpec(
                strategy.value,
                asset=route_key(engine.id, *ends),
                description=_strategy_description(catalog, engine, strategy),
            )
            for ends, strategies in routes
            for strategy in strategies
        ],
        # No limit by default, each run has services of its own; an operator sets one for a shared DSN.
        pool=MATRIX_POOL,
    )
    def matrix(
        context: dg.AssetExecutionContext,
        certification: CertificationResource,
        turn: ReleaseTurn,
        engines: dg.ResourceParam[AskedEngines],
    ) -> Iterator[MatrixEvent]:
        whole = {_ends(key) for key in context.selected_asset_keys}
        checks = {(_ends(key.asset_key), key.name) for key in context.selected_asset_check_keys}

        def take(cell: PlannedCell) -> bool:
            key = cell.key
            ends = (key.source, key.sink)
            return key.engine == engine.id and (ends in whole or (ends, key.strategy.value) in checks)

        with told_plainly():
            plan = sealed_for(context, certification, engine.id)
            if plan is None:
                return
            planned = {((c.key.source, c.key.sink), c.key.strategy.value) for c in plan.cells}
            absent = whole - {ends for ends, _ in planned}
            yield from _routes_left_out(context, plan, engine, absent)
            whole -= absent
            unasked = [
                dg.AssetCheckKey(route_key(engine.id, *ends), strategy)
                for ends, strategy in sorted(checks - planned)
            ]
            yield from not_looked_at(plan, unasked)
            checks &= planned
            if not whole and not checks:
                return
            directory = certification.directory(context.run, engine.id)
            turn.wait(directory)
            settings = certification.settings(directory.release_id)
            tell = late.log_to(context.log)
            release = engines.reopen(settings, catalog, engine.id, tell, context.run)
            late.run_cells(settings, catalog, release, tell, threading.Event(), take=take)
            view = late.load_subject(directory)
        for ends in sorted(whole):
            yield _materialized(_route(view, ends), engine.id, ends, certification)
        for ends, strategy in sorted(checks):
            yield _checked(_route(view, ends, strategy), route_key(engine.id, *ends), strategy)

    return matrix


def _ends(route: dg.AssetKey) -> Ends:
    source, sink = route.path[-2:]
    return source, sink


def _routes_left_out(
    context: dg.AssetExecutionContext, plan: CertificationPlan, engine: Engine, absent: Collection[Ends]
) -> Iterator[MatrixEvent]:
    """A note on each, which names what its source was left out of; who asked for them is told of all."""
    sinks: dict[str, list[str]] = {}
    for source, sink in sorted(absent):
        sinks.setdefault(source, []).append(sink)
    said = {source: f"{source} to {', '.join(of_it)}" for source, of_it in sinks.items()}
    for source, of_it in sinks.items():
        what = "; ".join(said.values()) if asked_by_name(context.run) else said[source]
        yield from left_out(context, plan, what, *(route_key(engine.id, source, sink) for sink in of_it))


def _route(view: "late.SubjectView", ends: Ends, *strategies: str) -> "late.SubjectView":
    source, sink = ends
    return view.select(late.Selection(routes=(f"{source}_to_{sink}",), strategies=strategies))


def _route_spec(
    catalog: Catalog,
    profile: Profile,
    engine: Engine,
    *,
    strategies: tuple[Strategy, ...],
    ends: Ends,
    again: str,
) -> dg.AssetSpec:
    source, sink = (catalog.systems[system] for system in ends)
    return dg.AssetSpec(
        route_key(engine.id, *ends),
        deps=[PLAN],
        group_name=f"matrix_{word(engine.id)}",
        owners=OWNERS,
        kinds={*sink.kinds[:1], *engine.kinds[-1:]},
        tags=tags_of(engine, profile, source=ends[0], sink=ends[1]),
        freshness_policy=DAILY_VERDICT,
        description=(
            f"**{engine.title}**: {source.title} → {sink.title}. Real rows, {len(strategies)} strategies, "
            "judged by the oracle after every load.\n\n"
            f"**[Run this route again and decide]({again})**: then press *Materialize all*. *Materialize* "
            "here reruns the route alone, *Execute* on a check that one strategy; after these, "
            f"[decide again]({decide_again(engine.id)})."
        ),
    )


def _strategy_description(catalog: Catalog, engine: Engine, strategy: Strategy) -> str:
    scenario = catalog.scenarios[f"strategy.{strategy}"]
    return (
        f"{scenario.purpose} Passes when: {scenario.passes_when} When red: {scenario.remedy}\n\n"
        f"*Execute* runs it again; then [decide again]({decide_again(engine.id)})."
    )


def _materialized(
    view: "late.SubjectView", engine: str, ends: Ends, certification: CertificationResource
) -> MatrixEvent:
    release = view.plan.release_id
    directory = certification.store().release(release, engine).path
    # Of the cells' files: a report made from others then shows as out of date.
    digest = hashlib.sha256("".join(line.row.sha256 or "" for line in view.lines).encode()).hexdigest()
    return dg.MaterializeResult(
        asset_key=route_key(engine, *ends),
        data_version=dg.DataVersion(digest),
        metadata={
            **late.cells_metadata(view, "route"),
            **late.rate(view),
            **late.route_columns(view),
            "release": release,
            "evidence_of_cells": late.evidence_link(directory / "cells"),
            "whole_release": late.evidence_link(directory.parent),
            "directory": dg.MetadataValue.path(str(directory.resolve())),
        },
    )


def _checked(view: "late.SubjectView", route: dg.AssetKey, strategy: str) -> MatrixEvent:
    outcome = Outcome.worst(line.outcome for line in view.lines)
    return dg.AssetCheckResult(
        asset_key=route,
        check_name=strategy,
        passed=outcome is Outcome.PASSED,
        # Red is ERROR; a bench that could not tell is a warning. Neither blocks: red is evidence.
        severity=dg.AssetCheckSeverity.ERROR if outcome is Outcome.FAILED else dg.AssetCheckSeverity.WARN,
        description=_headline(view, outcome),
        metadata={
            **late.cells_metadata(view, "route", "strategy"),
            "release": view.plan.release_id,
            "subject": f"{view.subject.engine} {view.subject.version}",
        },
    )


def _headline(view: "late.SubjectView", outcome: Outcome) -> str:
    """``2 of 17 cells failed; schema.drop: rows lost`` — what the list of checks shows."""
    if not view.lines:
        return "untested: the plan of this release holds no such cell"
    worst = [line for line in view.lines if line.outcome is outcome]
    counted = f"{len(worst)} of {len(view.lines)} cells {late.WORD[outcome]}"
    return f"{counted}; {worst[0].key.scenario}: {late.why(worst[0])}" if late.why(worst[0]) else counted
