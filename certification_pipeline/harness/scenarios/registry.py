"""Scenario id -> what happens. Explicit on purpose: no discovery, nothing is registered by import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from certification_pipeline.catalog.vocabulary import DriftKind, Strategy
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.exploration.crash_points import crash_points
from certification_pipeline.harness.exploration.exactly_once import exactly_once
from certification_pipeline.harness.exploration.partial_replace import partial_replace
from certification_pipeline.harness.scenarios import (
    cdc,
    event,
    incremental,
    loading,
    observability,
    schema,
    two_phase,
)

ScenarioFunction = Callable[[Bench], None]

SCENARIOS: Mapping[str, ScenarioFunction] = MappingProxyType(
    {
        **{f"strategy.{strategy}": loading.strategy for strategy in Strategy},
        "batch.full_refresh": loading.full_refresh,
        "batch.empty": loading.empty,
        "batch.wide": loading.wide,
        "batch.large": loading.large,
        "types.matrix": loading.types,
        "ident.funky": loading.identifiers,
        "incr.cursor_ties": incremental.cursor_ties,
        "incr.null_cursor": incremental.null_cursor,
        "incr.noop": incremental.noop,
        "idem.rerun": incremental.rerun,
        "idem.state_lost": incremental.state_lost,
        **{f"schema.{kind}": partial(schema.drift, kind) for kind in DriftKind},
        "rec.crash_points": crash_points,
        "rec.partial_replace": partial_replace,
        "deliv.exactly_once": exactly_once,
        "cdc.snapshot_handoff": cdc.snapshot_handoff,
        "cdc.same_position_crash": cdc.same_position_crash,
        "cdc.pk_update": cdc.pk_update,
        "cdc.delete_reinsert": cdc.delete_reinsert,
        "cdc.truncate": cdc.truncate,
        "cdc.slot_lost": cdc.slot_lost,
        "cdc.resnapshot": cdc.resnapshot,
        "cdc.txn_abort": cdc.txn_abort,
        "cdc.ddl_mid_stream": cdc.ddl_mid_stream,
        "event.late": event.late,
        "event.out_of_order": event.out_of_order,
        "obs.fields": observability.fields,
        "obs.counts": observability.counts,
        "obs.taxonomy": observability.taxonomy,
        "rec.two_phase_commit": two_phase.two_phase_commit,
    }
)
