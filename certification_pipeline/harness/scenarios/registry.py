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
    api,
    cdc,
    compat,
    event,
    incremental,
    loading,
    observability,
    recovery,
    recovery_commits,
    recovery_machine,
    recovery_services,
    recovery_state,
    recovery_wire,
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
        "compat.upgrade": compat.upgrade,
        "event.late": event.late,
        "event.out_of_order": event.out_of_order,
        "obs.fields": observability.fields,
        "obs.counts": observability.counts,
        "obs.taxonomy": observability.taxonomy,
        "rec.two_phase_commit": two_phase.two_phase_commit,
        "rec.kill": recovery.kill,
        "rec.pause": recovery.pause,
        "rec.concurrent": recovery.concurrent,
        "rec.schema_change_interrupted": recovery_commits.schema_change_interrupted,
        "rec.source_reconnect": recovery_wire.source_reconnect,
        "rec.offset_commit": recovery_commits.offset_commit,
        "rec.sink_write_failure": recovery_wire.sink_write_failure,
        "rec.sink_reset": recovery_wire.sink_reset,
        "rec.sink_refused": recovery_wire.sink_refused,
        "rec.half_open": recovery_wire.half_open,
        "rec.slow_network": recovery_wire.slow_network,
        "rec.source_restart": recovery_services.source_restart,
        "rec.sink_restart": recovery_services.sink_restart,
        "rec.clock_skew": recovery_machine.clock_skew,
        "rec.disk_full": recovery_machine.disk_full,
        "rec.state_lost": recovery_state.lost,
        "rec.state_corrupt": recovery_state.corrupt,
        "rec.state_stale": recovery_state.stale,
        "api.429": api.too_many_requests,
        "api.5xx": api.server_errors,
        "api.reset": api.reset,
        "api.slow": api.slow,
        "api.malformed": api.malformed,
        "api.token_expiry": api.token_expiry,
        "api.pages.shift": api.shifted,
        "api.pages.short": api.short_page,
        "api.pages.empty": api.empty_page,
        "api.pages.loop": api.loop,
    }
)
