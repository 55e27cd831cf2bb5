"""Two years of daily runs, told as a ledger would: how a level is gained, kept, warned about and lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification_pipeline.catalog.vocabulary import Fidelity, Outcome
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import ConnectorLevel, Standing
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.gates.levels.history import Said
from tests.levels.builders import (
    DUCKDB,
    NEXT,
    ROUTE,
    SUBJECT,
    attested,
    cells,
    day,
    history,
    items,
    ladder,
    level,
    said,
)

FAILED, CANT_TELL, UNTESTED = Outcome.FAILED, Outcome.CANT_TELL, Outcome.UNTESTED


def daily(first: int, last: int, **changes: object) -> Iterator[Said]:
    return (said(number, **changes) for number in range(first, last + 1))


def requirement(found: ConnectorLevel, name: str) -> Standing:
    return next(one.standing for one in found.requirements if one.id == name)


class TestPromotion:
    def test_krishivs_label_takes_28_days_and_a_deployment(self) -> None:
        runs = history(daily(0, 40), attested())
        assert level(runs, 27.9, "krishiv") == "preview"
        assert level(runs, 28.1, "krishiv") == "certified"
        assert level(runs, 28.1, "krishiv", ROUTE) == "certified"
        assert level(history(daily(0, 40)), 40, "krishiv") == "preview"

    def test_the_first_release_grants_what_needs_no_soak(self) -> None:
        found = ladder(history([said(0)]), 0.1)
        assert (found.level, found.next_level) == ("beta", "production-certified")
        assert found.missing == ("production.recurring",)
        assert "2025-01-15" in (found.next_step or "")

    def test_only_scheduled_whole_runs_count_for_a_soak(self) -> None:
        assert level(history(daily(0, 40, trigger=Trigger.MANUAL), attested()), 40, "krishiv") == "preview"
        part = [said(0), *daily(1, 40, whole=False)]
        assert level(history(part, attested()), 40, "krishiv") == "preview"

    def test_many_runs_on_one_day_are_one(self) -> None:
        burst = [said(0), *(said(28 + minute / 1440) for minute in range(60))]
        found = ladder(history(burst, attested()), 28.5, "krishiv")
        assert (found.level, found.streaks[0].runs) == ("preview", 1)

    def test_a_narrowed_release_alone_proves_nothing(self) -> None:
        found = ladder(history([said(0, whole=False)]), 1)
        assert found.level is None
        assert found.next_step is not None
        assert found.next_step.startswith("certify run --engine reference")

    def test_a_profile_that_leaves_scenarios_out_reaches_only_so_far(self) -> None:
        left_out = cells(rec_kill=UNTESTED, rec_crash_points=UNTESTED)
        found = ladder(history(daily(0, 40, cells=left_out)), 40)
        assert found.level == "beta"
        assert {"production.checkpoint_recovery", "production.recurring"} <= set(found.missing)

    def test_a_rerun_of_what_was_left_out_proves_it(self) -> None:
        left_out = cells(rec_kill=UNTESTED)
        kill = tuple(cell for cell in cells() if cell.at.scenario == "rec.kill")
        runs = [*daily(0, 40, cells=left_out), said(39.5, cells=kill, whole=False, trigger=Trigger.MANUAL)]
        assert level(history(runs), 40) == "production-certified"

    def test_an_emulator_certifies_nothing_for_production(self) -> None:
        emulated = cells(fidelity=Fidelity.EMULATOR)
        found = ladder(history(daily(0, 60, cells=emulated), attested()), 60)
        assert found.level == "beta"
        told = [text for one in found.requirements for proof in one.proofs for text in proof.missing]
        assert any("passed on fidelity emulator, not on real or vendor" in text for text in told)
        assert level(history(daily(0, 60, cells=emulated), attested()), 60, "krishiv") == "preview"


class TestFlake:
    def test_a_pass_after_a_failure_ends_the_streak_and_proves_nothing(self) -> None:
        flaky = cells(rec_kill=CANT_TELL, flaky=UNTESTED)
        runs = history([*daily(0, 19), said(20, cells=flaky), *daily(21, 60)], attested())
        found = ladder(runs, 40, "krishiv")
        assert found.level == "preview"
        assert found.streaks[0].broken_by == "release daily-2025-01-21-0217 was flaky"
        assert level(runs, 48.9, "krishiv") == "preview"
        assert level(runs, 49.1, "krishiv") == "certified"  # 28 days after the first green one since

    def test_a_flake_gives_a_certified_one_notice(self) -> None:
        flaky = cells(rec_kill=CANT_TELL, flaky=UNTESTED)
        runs = history([*daily(0, 39), said(40, cells=flaky), *daily(41, 60)], attested())
        found = ladder(runs, 41, "krishiv")
        assert found.level == "certified"
        assert found.notice_until == day(47)
        assert level(runs, 47.1, "krishiv") == "preview"
        assert ladder(runs, 60, "krishiv").lost == {"certified": day(47)}


class TestGap:
    def test_a_missing_day_ends_the_streak(self) -> None:
        runs = history([*daily(0, 9), *daily(11, 60)], attested())
        assert level(runs, 38, "krishiv") == "preview"
        assert level(runs, 39.1, "krishiv") == "certified"
        broken = ladder(runs, 38, "krishiv").streaks[0].broken_by
        assert broken == "no green scheduled run from 2025-01-10 02:17 to 2025-01-12 02:17"

    def test_an_inconclusive_day_is_a_missing_one(self) -> None:
        spoilt = cells(strategy_full_refresh=CANT_TELL)
        runs = history([*daily(0, 9), said(10, cells=spoilt), *daily(11, 60)], attested())
        assert level(runs, 38, "krishiv") == "preview"

    def test_and_takes_no_level_away(self) -> None:
        spoilt = cells(strategy_full_refresh=CANT_TELL)
        runs = history([*daily(0, 3), said(4, cells=spoilt)])
        assert level(runs, 5) == "beta"

    def test_weekly_runs_do_for_the_policy_that_allows_them(self) -> None:
        weekly = history(said(number) for number in range(0, 36, 7))
        assert level(weekly, 35.5) == "production-certified"


class TestRegression:
    def test_a_failure_suspends_at_once(self) -> None:
        red = cells(idem_rerun=FAILED)
        runs = history([*daily(0, 39), said(40, cells=red, seed=7)], attested())
        found = ladder(runs, 40.1)
        assert (found.level, found.suspended, found.notice_until) == ("beta", True, None)
        assert requirement(found, "production.idempotent_rerun") is Standing.REFUTED
        assert "--scenario idem.rerun --seed 7" in (found.next_step or "")

    def test_a_failure_of_a_lower_requirement_caps_the_level(self) -> None:
        red = cells(batch_full_refresh=FAILED)
        assert level(history([*daily(0, 39), said(40, cells=red)]), 40.1) is None

    def test_green_over_other_rows_does_not_lift_it(self) -> None:
        red = said(40, cells=cells(idem_rerun=FAILED), seed=202604)
        runs = [*daily(0, 39), red, *daily(41, 100)]
        assert level(history(runs), 100) == "beta"
        again = said(100.5, seed=202604, trigger=Trigger.MANUAL)
        assert level(history([*runs, again]), 101) == "production-certified"

    def test_a_failed_checklist_item_counts_as_much(self) -> None:
        bad = items(credential_model=FAILED)
        assert level(history([*daily(0, 39), said(40, items=bad)]), 40.1) == "experimental"

    def test_only_the_connector_it_is_about(self) -> None:
        both = (*cells(), *cells(sink="sqlite", idem_rerun=FAILED))
        runs = history(daily(0, 1, cells=both, items=items(("postgres", "duckdb", "sqlite"))))
        assert requirement(ladder(runs, 2), "production.idempotent_rerun") is Standing.PROVEN
        sqlite = ladder(runs, 2, name="reference/sqlite")
        assert requirement(sqlite, "production.idempotent_rerun") is Standing.REFUTED
        source = ladder(runs, 2, name="reference/postgres")
        assert requirement(source, "production.idempotent_rerun") is Standing.REFUTED


class TestExpiry:
    def test_warned_then_demoted_level_by_level(self) -> None:
        runs = history(daily(0, 40))
        assert ladder(runs, 47).notice_until is None
        warned = ladder(runs, 48.5)  # the soak ends eight days after its last run
        assert (warned.level, warned.notice_until) == ("production-certified", day(62))
        assert level(runs, 62.1) == "beta"
        assert ladder(runs, 71).notice_until == day(84)  # thirty days after the last evidence
        assert level(runs, 84.1) is None
        assert ladder(runs, 90).lost == {
            "production-certified": day(62),
            "beta": day(84),
            "experimental": day(84),
        }

    def test_in_notice_nothing_new_is_granted(self) -> None:
        """A level that was never held cannot be reached on proof that has expired."""
        kill = tuple(cell for cell in cells() if cell.at.scenario == "rec.kill")
        early = [said(0), said(0.5, cells=kill, whole=False)]
        late = daily(31, 60, cells=cells(rec_kill=UNTESTED))
        assert level(history([*early, *late]), 40) == "beta"

    def test_evidence_within_the_notice_keeps_the_level(self) -> None:
        runs = history([*daily(0, 40), said(50), said(57)])
        changes = ladder(runs, 58).changes
        assert [change.after for change in changes] == ["beta", "production-certified"]
        assert ladder(runs, 58).notice_until == day(62)  # the soak begins again; that is still open

    def test_deciding_again_makes_nothing_younger(self) -> None:
        """A later chain entry of the same release is as old as its plan."""
        assert level(history([said(0, sequence=99)]), 50) is None


class TestAttestation:
    @pytest.mark.nightly
    def test_it_expires(self) -> None:
        runs = history(daily(0, 500), attested(0, 400))
        assert level(runs, 364, "krishiv") == "certified"
        found = ladder(runs, 366, "krishiv")  # the policy counts it no longer than a year
        assert (found.level, found.notice_until) == ("certified", day(372))
        assert level(runs, 372.1, "krishiv") == "preview"

    @pytest.mark.nightly
    def test_another_one_takes_over(self) -> None:
        runs = history(daily(0, 500), attested(), attested(368, path="attestations/reference/y.json"))
        assert level(runs, 500, "krishiv") == "certified"
        assert ladder(runs, 500, "krishiv").lost == {}

    def test_it_is_about_one_route_and_one_artifact(self) -> None:
        other = attested(route="postgres_to_sqlite")
        assert level(history(daily(0, 40), other), 40, "krishiv") == "preview"
        old = attested(subject=NEXT)
        assert level(history(daily(0, 40), old), 40, "krishiv") == "preview"

    def test_it_counts_from_its_date(self) -> None:
        runs = history(daily(0, 60), attested(50))
        assert ladder(runs, 60, "krishiv").first_achieved["certified"] == day(50)


class TestVersions:
    def test_another_version_begins_anew(self) -> None:
        runs = history([*daily(0, 40), *daily(41, 60, subject=NEXT)])
        assert level(runs, 60, name=DUCKDB) == "production-certified"
        found = ladder(runs, 42, subject=NEXT)
        assert (found.level, found.streaks[0].runs) == ("beta", 2)

    def test_another_build_of_the_same_version_too(self) -> None:
        rebuilt = Subject(engine="reference", version="1.4.0", artifact_digest="sha256:" + "ee" * 32)
        runs = history([*daily(0, 40), *daily(41, 50, subject=rebuilt)])
        assert level(runs, 50, subject=rebuilt) == "beta"

    def test_a_scenario_that_asks_more_is_to_be_proven_again(self) -> None:
        raised = tuple(
            cell._replace(scenario_version=2, outcome=UNTESTED) if cell.at.scenario == "idem.rerun" else cell
            for cell in cells()
        )
        runs = history([*daily(0, 40), *daily(41, 60, cells=raised)])
        found = ladder(runs, 42)
        assert (found.level, found.notice_until) == ("production-certified", day(55))
        assert level(runs, 55.1) == "beta"


class TestLedger:
    def test_a_release_that_cannot_be_read_voids_what_was_before(self) -> None:
        torn = said(41, problem="its files are gone")
        runs = history([*daily(0, 40), torn])
        found = ladder(runs, 41.1)
        assert found.level is None
        assert "cannot be read" in found.changes[-1].why
        assert level(history([*daily(0, 40), torn, said(42)]), 42.1) == "beta"

    def test_what_is_dated_after_the_moment_does_not_count(self) -> None:
        assert level(history([said(10), said(0, whole=False)]), 5) is None


@pytest.mark.parametrize("policy", ["dpone", "krishiv"])
def test_two_years(policy: str) -> None:
    """Everything above in one ledger: the diary of a connector's level."""
    flaky, red = cells(rec_kill=CANT_TELL, flaky=UNTESTED), cells(idem_rerun=FAILED)
    runs = [
        *daily(0, 99),
        said(100, cells=flaky),
        *daily(101, 199),
        *daily(204, 299),  # four days nobody ran it
        said(300, cells=red),
        said(300.2),
        *daily(301, 449),
        *daily(520, 599),  # ten weeks of silence
        *daily(600, 730, subject=NEXT),
    ]
    diary = ladder(history(runs, attested(), attested(365)), 730, policy).changes
    told = [((change.at - day(0)).days, change.before, change.after) for change in diary]
    assert told == DIARY[policy]
    assert ladder(history(runs), 730, policy, subject=SUBJECT).level is None


PRODUCTION = "production-certified"
DIARY = {
    "dpone": [
        (0, None, "beta"),
        (14, "beta", PRODUCTION),
        (114, PRODUCTION, "beta"),  # a flake on day 100, and two weeks of notice
        (115, "beta", PRODUCTION),
        # Four days without a run are fewer than the eight this policy allows.
        (300, PRODUCTION, "beta"),
        (315, "beta", PRODUCTION),
        (471, PRODUCTION, "beta"),
        (493, "beta", "experimental"),
        (493, "experimental", None),
        (520, None, "beta"),
        (534, "beta", PRODUCTION),
        (621, PRODUCTION, "beta"),  # the next version has a diary of its own
        (643, "beta", "experimental"),
        (643, "experimental", None),
    ],
    "krishiv": [
        (0, None, "preview"),
        (28, "preview", "certified"),
        (107, "certified", "preview"),  # the flake
        (129, "preview", "certified"),
        (207, "certified", "preview"),  # the gap
        (232, "preview", "certified"),
        (300, "certified", "experimental"),  # the failure: `preview` asks for idem.rerun, too
        (300, "experimental", "preview"),
        (329, "preview", "certified"),
        (457, "certified", "preview"),  # the silence
        (484, "preview", "experimental"),
        (484, "experimental", None),
        (520, None, "preview"),
        (548, "preview", "certified"),
        (607, "certified", "preview"),
        (634, "preview", "experimental"),
        (634, "experimental", None),
    ],
}
