"""Simulated weeks of a ledger: each gain, loss and expiry is told when it comes, and once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.alerts.levels import expiring_notice, level_notices, other_version
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.gates.levels.decision import decide_levels
from certification_pipeline.gates.levels.history import History, Said
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from tests.evidence.builders import provenance
from tests.levels.builders import NEXT, SUBJECT, cells, day, history, policies, said

DAYS = timedelta(days=1)
RED = cells(rec_kill=Outcome.FAILED)


def levels(of: History, at: float, subject: Subject = SUBJECT, policy: str = "dpone") -> ConnectorLevels:
    return decide_levels(
        of,
        {one.id: one for one in policies(policy)},
        subject,
        provenance().model_copy(update={"created_at": day(at)}),
        release_id="newest",
        profile="local",
        chain=None,
    )


def told(days: Iterable[Said], at: float, back: float = 3) -> list[Notice]:
    return level_notices(levels(history(days), at), day(at - back), day(at))


def watched(days: list[Said], passes: Iterable[float]) -> dict[str, Notice]:
    """Each pass over the ledger as it was then; only what was not told before."""
    seen: dict[str, Notice] = {}
    for at in passes:
        there = [one for one in days if one.at <= day(at)]
        if there:
            for notice in told(there, at):
                seen.setdefault(notice.key, notice)
    return seen


def kinds(notices: Iterable[Notice]) -> list[NoticeKind]:
    return [one.kind for one in sorted(notices, key=lambda one: (one.at, one.key))]


def test_connectors_that_are_promoted_together_are_one_notice() -> None:
    (notice,) = told([said(0)], 0.1)
    assert notice.kind is NoticeKind.PROMOTION
    assert notice.severity is Severity.INFO
    assert notice.title == "Promoted: reference/duckdb and 1 other (dpone)"
    assert "reference/postgres: none → beta, proven by release daily-" in notice.text[0]


def quarters(first: int, end: int) -> list[float]:
    return [number / 4 for number in range(4 * first, 4 * end)]


@pytest.mark.parametrize(
    "passes",
    [(0.1, 14.1, 20.1, 21.1, 22, 35.1), pytest.param(quarters(0, 43), marks=pytest.mark.nightly)],
)
def test_six_weeks_with_a_red_day_tell_each_change_once(passes: Iterable[float]) -> None:
    """Beta at once, production-certified after its soak, suspended on the red day, and certified again."""
    days = [said(number, cells=RED) if number == 20 else said(number) for number in range(42)]
    seen = watched(days, passes)
    assert kinds(seen.values()) == [
        NoticeKind.PROMOTION,
        NoticeKind.PROMOTION,
        NoticeKind.SUSPENSION,
        NoticeKind.PROMOTION,
    ]
    suspended = next(one for one in seen.values() if one.kind is NoticeKind.SUSPENSION)
    assert suspended.at == day(20)
    assert suspended.severity is Severity.CRITICAL
    assert "production-certified → beta, refuted by release daily-2025-01-21" in suspended.text[0]
    assert suspended.what_to_do


@pytest.mark.nightly
def test_no_release_for_months_is_told_as_under_notice_and_then_as_lost() -> None:
    """Nothing new is written in those weeks: a loss by time alone is told all the same."""
    days = [said(number) for number in range(16)]
    seen = watched(days, quarters(0, 70))
    assert kinds(seen.values())[:2] == [NoticeKind.PROMOTION, NoticeKind.PROMOTION]
    after = [one for one in seen.values() if one.at > day(15)]
    assert {one.kind for one in after} == {NoticeKind.LEVEL_NOTICE, NoticeKind.DEMOTION}
    for lost in (one for one in after if one.kind is NoticeKind.DEMOTION):
        warned = [one.at for one in after if one.kind is NoticeKind.LEVEL_NOTICE and one.at < lost.at]
        assert warned, "nothing is lost that was not under notice before"


def test_what_became_so_long_ago_is_no_news() -> None:
    assert told([said(0)], 10) == []


@pytest.mark.parametrize(
    "passes", [(0.99, 15.99, 39.99), pytest.param(quarters(0, 40), marks=pytest.mark.nightly)]
)
@pytest.mark.parametrize("trigger", Trigger)
def test_daily_runs_never_warn_that_anything_expires(trigger: Trigger, passes: Iterable[float]) -> None:
    days = [said(number, trigger=trigger) for number in range(40)]
    for at in passes:
        there = history(one for one in days if one.at <= day(at))
        assert expiring_notice(levels(there, at), day(at), 7 * DAYS) is None


@pytest.mark.nightly
def test_evidence_that_nobody_makes_anew_is_told_a_week_before_once_a_day() -> None:
    days = [said(number) for number in range(16)]
    keys: dict[str, list[float]] = {}
    for at in quarters(16, 60):
        notice = expiring_notice(levels(history(days), at), day(at), 7 * DAYS)
        if notice is not None:
            keys.setdefault(notice.key, []).append(at)
    assert keys
    assert all(max(seen) - min(seen) < 1 for seen in keys.values()), "one key a day"
    first = min(at for seen in keys.values() for at in seen)
    assert first >= 15 + 4, "a streak of eight days is told of when half of them are over"


def test_what_expires_is_named_with_its_hour() -> None:
    days, first = [said(number) for number in range(16)], 19.25
    assert expiring_notice(levels(history(days), 18.75), day(18.75), 7 * DAYS) is None
    notice = expiring_notice(levels(history(days), first), day(first), 7 * DAYS)
    assert notice is not None
    assert "soak.recurring (soak) 2025-01-24 02:17" in notice.text[0]
    cells_expire = expiring_notice(levels(history(days), 15 + 24), day(15 + 24), 7 * DAYS)
    assert cells_expire is not None
    assert "2025-02-15 02:17" in cells_expire.text[0]
    assert "certify run --engine reference" in cells_expire.what_to_do


def test_a_new_version_that_holds_less_is_a_demotion_and_one_that_holds_as_much_is_none() -> None:
    days = [said(number) for number in range(20)]
    first = said(20, subject=NEXT, release_id="upgrade")
    whole = history([*days, first])
    (notice,) = other_version(whole, policies("dpone"), levels(whole, 20.1, NEXT), day(17))
    assert notice.kind is NoticeKind.DEMOTION
    assert "production-certified with 1.4.0 → beta with 1.5.0" in notice.text[0]
    assert other_version(whole, policies("dpone"), levels(whole, 30, NEXT), day(27)) == []
    young = history([said(0), replace(first, at=day(1))])
    assert other_version(young, policies("dpone"), levels(young, 1.1, NEXT), day(0)) == []


@settings(max_examples=6, deadline=None)
@given(st.lists(st.sampled_from(["green", "red", "gap", "manual"]), min_size=1, max_size=12))
def test_whatever_happened_the_same_ledger_gives_the_same_keys_and_no_two_alike(weeks: list[str]) -> None:
    days = []
    for number, what in enumerate(weeks):
        if what != "gap":
            trigger = Trigger.MANUAL if what == "manual" else Trigger.SCHEDULE
            days.append(said(number * 2, trigger=trigger, **({"cells": RED} if what == "red" else {})))
    at = len(weeks) * 2
    first, again = ([n.key for n in told(order, at, back=100)] for order in (days, list(reversed(days))))
    assert first == again
    assert len(first) == len(set(first))
    for notice in told(days, at, back=100):
        assert Notice.model_validate(notice.model_dump())
