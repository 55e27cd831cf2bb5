"""One asset with its checks as a step that may be skipped, and of which a check can be executed alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dagster as dg

from certification_pipeline.orchestration.names import OWNERS

Event = dg.MaterializeResult | dg.AssetCheckResult


def op_of(key: dg.AssetKey) -> str:
    """The step's name in run config: ``evidence__calibration``."""
    return "__".join(key.path)


def step(
    spec: dg.AssetSpec, *checks: dg.AssetCheckSpec
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """A ``multi_asset`` of one: only of such a one Dagster takes no answer, or *Execute* on its check."""
    return dg.multi_asset(
        name=op_of(spec.key),
        can_subset=True,
        specs=[spec.replace_attributes(skippable=True, owners=OWNERS)],
        check_specs=checks,
    )


def chosen(context: dg.AssetExecutionContext, results: Iterable[dg.MaterializeResult]) -> Iterator[Event]:
    """Of what a step made only what the run asked for; every result names its asset."""
    for result in results:
        key = result.asset_key
        assert key is not None  # as everyone in this room makes them
        checks = [
            dg.AssetCheckResult(
                asset_key=key,
                check_name=check.check_name,
                passed=check.passed,
                severity=check.severity,
                description=check.description,
                metadata=check.metadata,
            )
            for check in result.check_results or ()
            if dg.AssetCheckKey(key, str(check.check_name)) in context.selected_asset_check_keys
        ]
        if key in context.selected_asset_keys:
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=result.metadata,
                data_version=result.data_version,
                check_results=checks,
            )
        else:
            yield from checks
