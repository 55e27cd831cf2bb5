"""The matrix gate: the lattice, identity, and every way in which absence could pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import CellEvidence, CheckJudgement, Fingerprint, RowJudgement
from certification_pipeline.evidence.errors import Problem, ProblemKind
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.subject_dir import CellFile
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.exit_code import exit_code
from tests.evidence.builders import (
    CATALOG_DIGEST,
    ENGINE,
    PROFILE,
    SMALL,
    cell,
    check,
    key,
    plan,
    planned,
    provenance,
    release,
    row_judgement,
)
from tests.gates.releases import codes, report

DIGEST = "sha256:" + "ee" * 32
CELL = SMALL[0]
CELL_ID = CELL.key.cell_id


def judge(
    sealed: CertificationPlan, *cells: CellEvidence | Problem, minutes: float = 60
) -> CertificationReport:
    """The report over evidence in memory, in plan order; a cell without any is missing."""
    files = [
        CellFile(
            where, f"cells/{where.key.cell_id}.json", found, None if isinstance(found, Problem) else DIGEST
        )
        for where, found in zip(sealed.cells, cells, strict=True)
    ]
    return certification_report(sealed, files, provenance(minutes), plan_sha256=DIGEST)


def judge_one(changes: dict[str, Any], where: PlannedCell = CELL) -> CertificationReport:
    sealed = plan((where,))
    return judge(sealed, cell(sealed, where).model_copy(update=changes))


# --- the lattice -----------------------------------------------------------------------------------

fingerprints = st.builds(Fingerprint, rows=st.integers(0, 3), digest=st.sampled_from(["a", "b"]))
row_judgements = st.builds(
    RowJudgement,
    step=st.just("load 1"),
    expected=fingerprints,
    actual=fingerprints,
    anomalies=st.dictionaries(st.sampled_from(Anomaly), st.integers(0, 2), max_size=2),
    remark=st.none() | st.just("the table is missing"),
)
values = st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.0, 1.0, "0", ""])
check_judgements = st.builds(
    CheckJudgement,
    step=st.just("load 1"),
    name=st.just("count"),
    expected=values,
    observed=values,
    comparison=st.sampled_from(["equal", "at_least", "at_most", "present"]),
)
judgement_sets = st.lists(row_judgements | check_judgements, max_size=4).map(tuple)
reasons = st.none() | st.sampled_from(ReasonCode)
SEVERITY = [Outcome.INAPPLICABLE, Outcome.PASSED, Outcome.UNTESTED, Outcome.CANT_TELL, Outcome.FAILED]


def holds(judgement: RowJudgement | CheckJudgement) -> bool:
    """A second, separate statement of what a judgement that passes is."""
    if isinstance(judgement, RowJudgement):
        clean = all(count == 0 for count in judgement.anomalies.values())
        same = (judgement.expected.rows, judgement.expected.digest) == (
            judgement.actual.rows,
            judgement.actual.digest,
        )
        return clean and same and not judgement.remark
    expected, observed = judgement.expected, judgement.observed
    if judgement.comparison == "present":
        return observed is not None
    if judgement.comparison == "equal":
        return repr(expected) == repr(observed)
    if {type(expected), type(observed)} - {int, float}:
        return False
    low, high = (expected, observed) if judgement.comparison == "at_least" else (observed, expected)
    return low <= high  # type: ignore[operator]


@given(judgement_sets, reasons)
def test_a_cells_outcome_follows_from_its_judgements_alone(
    judgements: tuple[RowJudgement | CheckJudgement, ...], reason: ReasonCode | None
) -> None:
    sealed = plan((CELL,))
    evidence = cell(sealed, CELL, judgements, reason=reason)
    outcome = evidence.recompute()
    if outcome is Outcome.PASSED:
        assert judgements
        assert reason is None
        assert all(holds(judgement) for judgement in judgements)
    elif judgements and reason is None:
        assert outcome is Outcome.FAILED
        assert not all(holds(judgement) for judgement in judgements)
    lies = evidence.model_copy(update={"outcome": Outcome.PASSED, "passed": True})
    assert judge(sealed, lies).passed == (outcome is Outcome.PASSED)


@given(st.lists(st.tuples(judgement_sets, reasons, st.booleans()), min_size=1, max_size=5))
def test_the_reports_outcome_is_the_worst_of_its_required_cells(
    drawn: list[tuple[tuple[RowJudgement | CheckJudgement, ...], ReasonCode | None, bool]],
) -> None:
    cells = tuple(planned(key(scenario=f"s{at}"), required=must) for at, (_, _, must) in enumerate(drawn))
    sealed = plan(cells)
    evidence = [
        cell(sealed, where, judgements, reason=reason)
        for where, (judgements, reason, _) in zip(cells, drawn, strict=True)
    ]
    made = judge(sealed, *evidence)
    required = [
        outcome
        for each, (_, reason, must) in zip(evidence, drawn, strict=True)
        # What ran and was seen to leave nothing that the fault could damage is asked of nobody.
        if ((outcome := each.recompute()), reason) != (Outcome.INAPPLICABLE, ReasonCode.NOTHING_TO_DISTURB)
        and must
    ]
    if made.passed:
        assert required
        assert set(required) == {Outcome.PASSED}
        assert made.blockers == ()
    else:
        assert made.blockers
    if required:
        worst = max(required, key=SEVERITY.index)
        assert SEVERITY.index(made.outcome) >= SEVERITY.index(worst)
    else:
        assert made.outcome is Outcome.FAILED
    assert sum(made.totals.values()) == made.total_cases == made.case_count == len(cells)
    assert sum(made.required_totals.values()) == made.required_cases == len(required)
    for groups in (made.by_route, made.by_strategy):
        assert sum(count for group in groups.values() for count in group.values()) == len(cells)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.PASSED, 0),
        (Outcome.FAILED, 1),
        (Outcome.CANT_TELL, 3),
        (Outcome.UNTESTED, 3),
        (Outcome.INAPPLICABLE, 3),
    ],
)
def test_exit_codes(outcome: Outcome, code: int) -> None:
    assert exit_code(outcome) == code


# --- absence ---------------------------------------------------------------------------------------


def test_honest_evidence_is_green_and_lists_what_was_not_run(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    made = report(directory)
    assert made.passed
    assert made.blockers == ()
    assert made.totals == {Outcome.PASSED: 2, Outcome.INAPPLICABLE: 1, Outcome.UNTESTED: 1}
    untested = next(row for row in made.results if row.outcome is Outcome.UNTESTED)
    assert untested.reason is ReasonCode.SERVICE_UNAVAILABLE
    assert untested.remedy == "set CERTIFY_CLICKHOUSE_DSN"
    assert not untested.passed


def test_a_planned_cell_without_evidence_is_red_and_says_how_to_go_on(tmp_path: Path) -> None:
    directory, _ = release(tmp_path, without=CELL_ID)
    made = report(directory)
    assert made.outcome is Outcome.FAILED
    [blocker] = made.blockers
    assert blocker.code == f"matrix_cell.missing:{CELL_ID}"
    assert blocker.next_step == (
        "certify run --engine reference --route postgres_to_duckdb --strategy full_refresh "
        "--scenario batch.full_refresh --release-id 2024.11.19-r1"
    )


def test_a_missing_cell_is_red_even_where_it_is_not_required(tmp_path: Path) -> None:
    cells = (SMALL[0], planned(key(scenario="extra"), required=False))
    directory, _ = release(tmp_path, cells, without=cells[1].key.cell_id)
    assert report(directory).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ((), "certification_report.no_required_cells"),
        (SMALL[2:], "certification_report.no_required_cells"),
        ((planned(key(), required=False),), "certification_report.no_required_cells"),
        (
            (planned(key(), "untested", reason=ReasonCode.SERVICE_UNAVAILABLE),),
            "certification_report.nothing_passed",
        ),
        (
            (planned(key(), "inapplicable", reason=ReasonCode.NOT_DECLARED),),
            "certification_report.nothing_passed",
        ),
    ],
)
def test_nothing_required_or_nothing_passed_is_red(
    tmp_path: Path, cells: tuple[PlannedCell, ...], code: str
) -> None:
    directory, _ = release(tmp_path, cells)
    made = report(directory)
    assert made.outcome is Outcome.FAILED
    assert code in codes(made)


@pytest.mark.parametrize("disposition", ["untested", "inapplicable"])
def test_a_required_cell_that_was_not_run_is_inconclusive(tmp_path: Path, disposition: Any) -> None:
    cells = (SMALL[0], planned(SMALL[1].key, disposition, reason=ReasonCode.SERVICE_UNAVAILABLE))
    directory, _ = release(tmp_path, cells)
    made = report(directory)
    assert made.outcome is Outcome.UNTESTED
    [blocker] = made.blockers
    assert blocker.code == f"matrix_cell.{disposition}:{cells[1].key.cell_id}"
    assert blocker.next_step == "set CERTIFY_CLICKHOUSE_DSN"


def test_judgements_that_are_not_there_do_not_pass(tmp_path: Path) -> None:
    assert (
        judge_one({"judgements": (), "outcome": Outcome.UNTESTED, "passed": False}).outcome
        is not Outcome.PASSED
    )
    assert judge_one({"judgements": ()}).outcome is Outcome.FAILED  # it says passed


# --- what was seen ---------------------------------------------------------------------------------


def test_a_failed_cell_says_what_was_seen(tmp_path: Path) -> None:
    sealed = plan((CELL,))
    red = cell(sealed, CELL, (row_judgement(), row_judgement("load 2", lost=3)), remedy="look at the cursor")
    made = judge(sealed, red)
    assert made.outcome is Outcome.FAILED
    [row] = made.results
    assert row.anomalies == {Anomaly.LOST: 3}
    assert (row.expected_row_count, row.actual_row_count) == (100, 97)
    assert row.expected_checksum != row.actual_checksum
    assert row.detail == "load 2: 3 lost"
    assert row.remedy == "look at the cursor"
    assert f"matrix_cell.not_passed:{CELL_ID}" in codes(made)


@pytest.mark.parametrize(
    ("comparison", "observed", "says"),
    [
        ("equal", 11, "expected 10, observed 11"),
        ("at_least", 9, "expected at least 10, observed 9"),
        ("at_most", 11, "expected at most 10, observed 11"),
        ("present", None, "expected anything, observed None"),
    ],
)
def test_a_failed_check_says_expected_and_observed(comparison: Any, observed: Any, says: str) -> None:
    sealed = plan((CELL,))
    red = check().model_copy(update={"comparison": comparison, "observed": observed})
    made = judge(sealed, cell(sealed, CELL, (row_judgement(), red)))
    assert made.results[0].detail == f"load 2: loaded_rows: {says}"


def test_the_bench_breaking_is_inconclusive_not_red() -> None:
    sealed = plan(SMALL[:2])
    broken = cell(sealed, SMALL[1], (), reason=ReasonCode.SERVICE_DIED, detail="the sink went away")
    made = judge(sealed, cell(sealed, SMALL[0]), broken)
    assert made.outcome is Outcome.CANT_TELL
    assert codes(made) == [f"matrix_cell.cant_tell:{SMALL[1].key.cell_id}"]
    assert "the sink went away" in made.blockers[0].message


def test_a_flaky_cell_blocks(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path)
    directory.write(cell(sealed, CELL, (row_judgement(lost=1),), minutes=20, run_id="run-2"))
    directory.write(cell(sealed, CELL, minutes=30, run_id="run-3"))
    made = report(directory)
    assert made.outcome is Outcome.CANT_TELL
    assert codes(made) == [f"matrix_cell.flaky:{CELL_ID}"]
    assert made.results[0].flaky


# --- identity --------------------------------------------------------------------------------------


def forged(field: str, value: Any) -> Any:
    return pytest.param({field: value}, field, id=f"{field}={str(value)[:20]}")


SOMEONE = cell(plan((CELL,)), CELL).subject


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        forged("schema_version", "certification_pipeline.cell.v0"),
        forged("key", SMALL[1].key),
        forged("plan_digest", "sha256:" + "00" * 32),
        forged("release_id", "v0"),
        forged("subject", SOMEONE.model_copy(update={"version": "0.0.9"})),
        forged("subject", SOMEONE.model_copy(update={"artifact_digest": "sha256:" + "00" * 32})),
        forged("profile", "live"),
        forged("seed", 8),
        forged("rows", 99),
        forged("scenario_version", 2),
        ({"passed": False}, "passed False"),
        ({"outcome": Outcome.FAILED, "passed": False}, "says outcome failed"),
        ({"created_at": provenance(-1).created_at}, "older than the plan"),
        ({"started_at": provenance(-1).created_at}, "older than the plan"),
        ({"created_at": provenance(61).created_at}, "younger than this report"),
        ({"finished_at": provenance(9).created_at}, "finished before it started"),
        ({"reason": ReasonCode.NOT_DECLARED, "outcome": Outcome.INAPPLICABLE, "passed": False}, "has it run"),
        ({"loads": ()}, "records no load"),
        ({"services": ()}, "names no postgres service as source"),
        ({"services": cell(plan((CELL,)), CELL).services[:1]}, "names no duckdb service as sink"),
    ],
)
def test_evidence_that_is_not_what_the_plan_asked_for_is_red(changes: dict[str, Any], says: str) -> None:
    made = judge_one(changes)
    assert made.outcome is Outcome.FAILED
    [row] = made.results
    assert not row.verified
    assert not row.passed
    assert codes(made)[-1] == f"matrix_cell.not_verified:{CELL_ID}"
    assert says in made.blockers[-1].message


def test_a_pass_of_nobody_in_particular_is_red() -> None:
    sealed = plan((CELL,))
    nobody = sealed.subject.model_copy(update={"artifact_digest": ""})
    sealed = sealed.model_copy(update={"subject": nobody})
    made = judge(sealed, cell(sealed, CELL))
    assert "no artifact_digest" in made.blockers[-1].message


def test_a_pass_that_lists_differing_rows_is_red() -> None:
    quiet = row_judgement().model_copy(update={"columns": {"amount": 3}})
    assert "differing columns" in judge_one({"judgements": (quiet,)}).blockers[-1].message


def test_evidence_for_a_cell_that_was_not_to_run_is_red(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path)
    directory.write(cell(sealed, SMALL[3]))
    assert codes(report(directory)) == [f"matrix_cell.not_verified:{SMALL[3].key.cell_id}"]


@pytest.mark.parametrize("name", ["someone_elses.json", "notes.txt", "more"])
def test_a_file_no_planned_cell_accounts_for_is_red(tmp_path: Path, name: str) -> None:
    directory, _ = release(tmp_path)
    (directory.path / "cells" / name).mkdir() if name == "more" else (
        directory.path / "cells" / name
    ).write_text("{}")
    made = report(directory)
    assert made.outcome is Outcome.FAILED
    assert codes(made) == [f"matrix_cell.unexpected:cells/{name}"]


def test_a_malformed_cell_is_red_and_says_where(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    directory.cell_path(CELL_ID).write_text('{"passed": true, "evidence_status": "PASS"}')
    made = report(directory)
    assert codes(made) == [f"matrix_cell.not_verified:{CELL_ID}"]
    assert "schema_version: is missing" in made.blockers[0].message
    assert made.results[0].sha256 is not None


def test_a_cell_that_is_a_link_is_red(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    path = directory.cell_path(CELL_ID)
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert codes(report(directory)) == [f"matrix_cell.not_verified:{CELL_ID}"]


def test_a_cells_directory_that_is_a_link_is_red(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    cells = directory.path / "cells"
    cells.rename(tmp_path / "elsewhere")
    cells.symlink_to(tmp_path / "elsewhere")
    made = report(directory)
    assert made.outcome is Outcome.FAILED
    assert f"matrix_cell.not_verified:{CELL_ID}" in codes(made)


# --- the plan --------------------------------------------------------------------------------------


def sealed_with(cells: tuple[PlannedCell, ...], **changes: Any) -> CertificationPlan:
    digest = CertificationPlan.digest_of(CATALOG_DIGEST, PROFILE, ENGINE, cells)
    return plan(cells).model_copy(update={"plan_digest": digest, **changes})


@pytest.mark.parametrize(
    ("forge", "says"),
    [
        (lambda: plan(SMALL).model_copy(update={"cells": SMALL[:1]}), "edited after sealing"),
        (
            lambda: plan(SMALL[:1]).model_copy(update={"catalog_digest": "sha256:" + "00" * 32}),
            "edited after sealing",
        ),
        (lambda: plan(SMALL[:1]).model_copy(update={"profile": "live"}), "edited after sealing"),
        (lambda: sealed_with((SMALL[0], SMALL[0])), "2 times"),
        (
            lambda: sealed_with((planned(SMALL[0].key.model_copy(update={"engine": "dlt"})),)),
            "plans cells of dlt",
        ),
    ],
)
def test_a_plan_that_is_not_what_was_sealed_is_red(forge: Any, says: str) -> None:
    sealed = forge()
    made = judge(sealed, *(cell(sealed, where) for where in sealed.cells))
    assert made.outcome is Outcome.FAILED
    assert codes(made)[0] == "certification_automation_plan.not_verified"
    assert says in made.blockers[0].message


def test_the_same_id_from_two_routes_is_found() -> None:
    one = key().model_copy(update={"source": "a_to_b", "sink": "c"})
    two = key().model_copy(update={"source": "a", "sink": "b_to_c"})
    assert one.cell_id == two.cell_id
    sealed = plan((planned(one), planned(two)))
    assert "certification_automation_plan.not_verified" in codes(
        judge(sealed, *(cell(sealed, where) for where in sealed.cells))
    )


def test_a_missing_problem_in_memory_counts_like_a_missing_file() -> None:
    sealed = plan((CELL,))
    problem = Problem(ProblemKind.MISSING, "cells/x.json", None, "nothing", "run it")
    assert codes(judge(sealed, problem))[-1] == f"matrix_cell.missing:{CELL_ID}"


def test_strategies_are_told_apart(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    made = report(directory)
    assert made.by_strategy[Strategy.CDC.value] == {Outcome.INAPPLICABLE: 1}
    assert made.by_route["postgres_to_clickhouse"] == {Outcome.UNTESTED: 1}


NOTHING = {"reason": ReasonCode.NOTHING_TO_DISTURB, "outcome": Outcome.INAPPLICABLE, "passed": False}


def test_a_fault_that_found_nothing_to_damage_is_measured_and_holds_nothing_up() -> None:
    other = planned(key(scenario="batch.wide"))
    sealed = plan((CELL, other))
    made = judge(sealed, cell(sealed, CELL).model_copy(update=NOTHING), cell(sealed, other))
    assert made.outcome is Outcome.PASSED
    assert [row.outcome for row in made.results] == [Outcome.INAPPLICABLE, Outcome.PASSED]
    assert [row.required for row in made.results] == [False, True]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"judgements": (row_judgement(lost=1),)}, Outcome.FAILED),
        ({"judgements": ()}, Outcome.CANT_TELL),
        ({"loads": ()}, Outcome.INAPPLICABLE),
    ],
    ids=["its loads were wrong", "nothing was judged", "nothing was loaded"],
)
def test_that_nothing_was_there_must_have_been_seen(changes: dict[str, Any], outcome: Outcome) -> None:
    """Else a reason code, written into a red cell, would take it out of the count."""
    made = judge_one({**NOTHING, "outcome": outcome, **changes})
    assert made.outcome is not Outcome.PASSED
    [row] = made.results
    assert row.required
