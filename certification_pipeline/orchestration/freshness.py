"""Until when a verdict counts as fresh: the schedules' own hours (law 9: evidence expires)."""

from datetime import timedelta

import dagster as dg

DAILY_VERDICT = dg.FreshnessPolicy.cron(
    deadline_cron="17 4 * * *", lower_bound_delta=timedelta(hours=2), timezone="UTC"
)
"""The daily run starts at 02:17 and has two hours; a verdict from before it is yesterday's."""

WEEKLY_EVIDENCE = dg.FreshnessPolicy.cron(
    deadline_cron="41 5 * * 2", lower_bound_delta=timedelta(hours=2), timezone="UTC"
)
"""Measured, replayed and transformed by the weekly full certification; the daily run leaves it as it is."""

WEEKLY_PUBLICATION = dg.FreshnessPolicy.cron(
    deadline_cron="41 5 * * 2", lower_bound_delta=timedelta(hours=2), timezone="UTC"
)
"""Only the weekly full certification publishes; a red one shows here, too."""
