"""Until when a verdict counts as fresh: the timetable's own hours (law 9: evidence expires)."""

from collections.abc import Iterable

import dagster as dg

from certification_pipeline.timetable import TAKES, Cron, Timetable


def _by(cron: Cron, timezone: str) -> dg.FreshnessPolicy:
    """Made between that hour and two hours later; what is from before it is the last one's."""
    return dg.FreshnessPolicy.cron(
        deadline_cron=str(cron.later(TAKES)), lower_bound_delta=TAKES, timezone=timezone
    )


_USUAL = Timetable()
DAILY_VERDICT = _by(_USUAL.daily, _USUAL.timezone)
"""What the daily run makes; a verdict from before it is yesterday's."""

WEEKLY_EVIDENCE = _by(_USUAL.weekly, _USUAL.timezone)
"""Measured, replayed and transformed by the weekly full certification; the daily run leaves it as it is."""

WEEKLY_PUBLICATION = _by(_USUAL.weekly, _USUAL.timezone)
"""Only the weekly full certification publishes; a red one shows here, too."""


def by_timetable(assets: Iterable[dg.AssetsDefinition], timetable: Timetable) -> list[dg.AssetsDefinition]:
    """The same assets, fresh by the hours of this timetable: each names above which run makes it."""
    usual: dict[dg.FreshnessPolicy | None, dg.FreshnessPolicy] = {
        DAILY_VERDICT: _by(timetable.daily, timetable.timezone),
        WEEKLY_EVIDENCE: _by(timetable.weekly, timetable.timezone),
    }

    def timed(spec: dg.AssetSpec) -> dg.AssetSpec:
        policy = spec.freshness_policy
        return spec.replace_attributes(freshness_policy=usual[policy]) if policy in usual else spec

    return [dg.map_asset_specs(timed, [asset])[0] for asset in assets]
