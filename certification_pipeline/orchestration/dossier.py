"""A connector's standing as a materialization: levels, what is missing, what expires, soak, guarantees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import dagster as dg
import pandas as pd

from certification_pipeline.catalog.policies import LevelPolicy, Requirement, Unit
from certification_pipeline.evidence.levels import (
    ConnectorLevel,
    ConnectorLevels,
    RequirementState,
    Standing,
)
from certification_pipeline.evidence.levels_page import until_of
from certification_pipeline.orchestration.names import requirement_check
from certification_pipeline.orchestration.render import Metadata, page, plainly, table, with_clicks
from certification_pipeline.report.guarantees import observed_frame
from certification_pipeline.report.levels import LEGEND, calendar, requirement_frame
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import ReleaseView, SubjectView

_HOLDS = (Standing.PROVEN, Standing.INAPPLICABLE)
_WORST_FIRST = list(Standing)


def dossier(
    key: dg.AssetKey,
    view: SubjectView,
    system: str,
    mine: Sequence[ConnectorLevel],
    levels: ConnectorLevels | None,
) -> dg.MaterializeResult:
    """``mine``: the connector under each policy, of all ``levels``; ``None`` when there are none."""
    every = levels.connectors if levels else ()
    routes = [one for one in every if one.unit is Unit.ROUTE and system in _ends(one)]
    shown: Metadata = {
        "0_levels": table(pd.DataFrame([_level(one) for one in mine], columns=_LEVEL)),
        **with_clicks("1_missing", _missing(mine), "do", view),
        "2_next_step": dg.MetadataValue.text(
            next((one.next_step for one in mine if one.next_step), "nothing")
        ),
        "3_requirements": page(frame_markdown(_requirements(mine), index=False)),
        **(_calendar(mine, levels.created_at) if levels else {}),
        **_guarantees(view, system),
        "6_routes": table(pd.DataFrame([_route(one) for one in routes], columns=_ROUTE)),
        **_changes(mine),
        "release": dg.MetadataValue.text(view.plan.release_id),
        "releases_read": dg.MetadataValue.int(levels.releases if levels else 0),
        **({"as_of": dg.MetadataValue.timestamp(levels.created_at)} if levels else {}),
        **_figures(mine),
    }
    return dg.MaterializeResult(
        asset_key=key,
        data_version=dg.DataVersion(levels.content_digest if levels else "no levels"),
        metadata=dict(sorted(shown.items())),
    )


def _ends(route: ConnectorLevel) -> list[str]:
    return route.name.partition("/")[2].split("_to_")


def check_of(
    key: dg.AssetKey, policy: LevelPolicy, place: int, line: Requirement, mine: Iterable[ConnectorLevel]
) -> dg.AssetCheckResult:
    """Red up to the level that is granted or claimed (``place`` counts from 1), amber above, and in notice.

    A connector of which no release says anything has proven nothing.
    """
    one = next((each for each in mine if each.policy == policy.id), None)
    state = next((each for each in one.requirements if each.id == line.id), None) if one else None
    standing, told = Standing.UNPROVEN, "No release of this version says anything about it"
    claimed = 0
    if one is not None and state is not None:
        order = [level.id for level in policy.levels]
        granted = order.index(one.level) + 1 if one.level in order else 0
        claimed = max(granted, order.index(one.stated) + 1 if one.stated in order else 0)
        standing = state.standing if place <= granted else state.for_next
        told = _told(standing, state)
    red = place <= claimed and standing in (Standing.REFUTED, Standing.UNPROVEN)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=requirement_check(policy.id, place, line.id),
        passed=standing in _HOLDS,
        severity=dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN,
        description=told,
    )


def _told(standing: Standing, state: RequirementState) -> str:
    """``unproven: <what is missing>. Next: <command>`` — what the list of checks shows."""
    until = f", until {state.expires_at:%Y-%m-%d}" if state.expires_at else ""
    if standing in _HOLDS:
        return f"{standing.value}{until}"
    open_ = [proof for proof in state.proofs if proof.standing not in _HOLDS]
    lacks = [text for proof in open_ for text in proof.missing[:1]]
    step = next((proof.next_step for proof in open_ if proof.next_step), None)
    said = f"{standing.value}{until}" + (f": {'; '.join(lacks)}" if lacks else "")
    return f"{said}. Next: {step}" if step else said


_LEVEL = ["level", "why", "next", "until", "claims"]
_ROUTE = ["route", *_LEVEL]


def _level(one: ConnectorLevel) -> tuple[str, ...]:
    granted, following = one.level or "none", one.next_level or "is the highest"
    return (f"{one.policy}: {granted}", one.why, following, until_of(one), one.stated or "")


def _route(one: ConnectorLevel) -> tuple[str, ...]:
    return (" → ".join(_ends(one)), *_level(one))


def _missing(mine: Iterable[ConnectorLevel]) -> pd.DataFrame:
    frames = [_requirement_frame(one, only=one.missing) for one in mine if one.missing]
    if not frames:
        return pd.DataFrame(columns=["for", "lacks", "do"])
    whole = pd.concat(frames)
    return pd.DataFrame(
        {
            "for": whole["policy"] + " " + whole["level"] + ": " + whole["requirement"],
            "lacks": whole["standing"] + ": " + whole["lacks"].map(plainly),
            "do": whole["do"],
        }
    )


def _requirements(mine: Iterable[ConnectorLevel]) -> pd.DataFrame:
    frames = [_requirement_frame(one) for one in mine]
    if not frames:
        return pd.DataFrame()
    whole = pd.concat(frames)
    return whole.sort_values("standing", key=lambda column: column.map(_WORST_FIRST.index), kind="stable")


def _requirement_frame(one: ConnectorLevel, only: Sequence[str] | None = None) -> pd.DataFrame:
    lines = [line for line in one.requirements if only is None or line.id in only]
    frame = requirement_frame(one.model_copy(update={"requirements": tuple(lines)}))
    if frame.empty:
        return frame
    frame.insert(0, "policy", one.policy)
    return frame[
        ["policy", "level", "requirement", "standing", "lacks", "next step", "until", "rests on"]
    ].rename(columns={"next step": "do"})


def _calendar(mine: Iterable[ConnectorLevel], now: datetime) -> Metadata:
    lines = calendar(mine, now)
    if not lines:
        return {}
    rows = [{"rule": line.check, "last five weeks": line.marks, "says": line.told} for line in lines]
    return {
        "4_soak_calendar": table(pd.DataFrame(rows)),
        "4_soak_legend": dg.MetadataValue.text(f"{LEGEND}; today is the last, a space before each Monday"),
    }


def _guarantees(view: SubjectView, system: str) -> Metadata:
    frame = observed_frame(ReleaseView(view.plan.release_id, (view,))).drop(columns="engine")
    mine = frame[frame["route"].map(lambda route: system in route.split(" → "))] if len(frame) else frame
    return {"5_guarantees": table(mine)} if len(mine) else {}


def _changes(mine: Iterable[ConnectorLevel]) -> Metadata:
    rows = [
        {
            "day": f"{change.at:%Y-%m-%d}",
            "policy": one.policy,
            "from": change.before or "none",
            "to": change.after or "none",
            "why": change.why,
        }
        for one in mine
        for change in reversed(one.changes)
    ]
    return {"7_levels_changed": table(pd.DataFrame(rows))} if rows else {}


def _figures(mine: Iterable[ConnectorLevel]) -> Metadata:
    """A line a policy and figure, over all releases."""
    shown: Metadata = {}
    for one in mine:
        proven = sum(line.for_next in _HOLDS for line in one.requirements)
        shown[f"{one.policy}_proven"] = dg.MetadataValue.int(proven)
        shown[f"{one.policy}_missing"] = dg.MetadataValue.int(len(one.missing))
        for streak in one.streaks:
            shown[f"{streak.check}_runs"] = dg.MetadataValue.int(streak.runs)
    return shown
