"""The check ``schedule_kept`` of ``plan``: whether every scheduled day was observed.

The check runs with every plan, and by *Execute*. A day is missed exactly when nothing runs, so the sensor
``missed_tick`` reports it, too, from the same function: a red mark needs no run.
"""

import dagster as dg

from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.names import PLAN
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.timetable import Timetable

SCHEDULE_KEPT = "schedule_kept"


def schedule_kept_check(times: Timetable) -> dg.AssetChecksDefinition:
    """The check, to be run on its own or with ``plan``."""

    @dg.asset_check(
        asset=PLAN,
        name=SCHEDULE_KEPT,
        description=(
            f"Every day of the timetable ({times.daily.at:%H:%M} {times.timezone}) has a whole scheduled "
            "release in the ledger, from the "
            "first one on. Red: the newest day is missing. Amber: an earlier one of the last 30 is. A missed "
            "day counts for no soak, and nothing makes up for it."
        ),
    )
    def schedule_kept(certification: CertificationResource) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(**late.judge(certification.store(), utc_now(), times)._asdict())

    return schedule_kept
