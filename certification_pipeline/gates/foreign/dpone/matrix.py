"""``certification_report.json`` in both shapes, and the behaviour files under it.

dpone 0.88 simulates: ``integration_matrix_simulation.py`` computes one count and one checksum, states each as
expected and as actual, takes both row samples from one sampler, and sets ``passed=True``. Patched to a count
of -42 and no rows, its matrix still said 237 of 237 passed. So the numbers can contradict each other, and
never show that anything was loaded. Which numbers it computes is repeated here (:func:`simulated`), to tell a
simulated case from one that somebody edited.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.claims import ForeignClaim
from certification_pipeline.evidence.foreign.dpone.models import (
    Behavior,
    MatrixReport,
    MatrixResult,
    MockReport,
)
from certification_pipeline.gates.foreign.claiming import (
    agrees,
    contradicts,
    examples,
    held,
    not_here,
    nothing,
    unproven,
)
from certification_pipeline.gates.foreign.dpone.look import Look

ONE_FUNCTION = (
    "expected and actual come from one function of dpone's simulation, which sets passed=True; "
    "no row was loaded anywhere"
)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the simulation states of a case, as a function of its parameters alone."""

    rows: int
    checksum: str
    changed: int
    deleted: int


def simulated(case: Behavior) -> Simulated:
    """The numbers dpone 0.88 would write for these parameters. No row takes part in any of them."""
    total = case.configured_row_count
    changed = max(1, int(total * case.change_ratio))
    deleted = max(1, int(total * case.delete_ratio))
    inserted = min(deleted, max(0, changed - deleted))
    updated = max(0, changed - deleted - inserted)
    if case.strategy == "full_refresh":
        rows = total
    elif case.sink == "kafka":
        rows = changed
    elif case.strategy == "incremental_append":
        rows = total + changed
    elif case.strategy == "scd2":
        rows = total + updated + inserted
    else:
        rows = total - deleted + inserted
    token = (
        f"{case.source}:{case.sink}:{case.strategy}:rows={total}:changed={changed}:deleted={deleted}:"
        f"inserted={inserted}:updated={updated}:actual={rows}"
    )
    return Simulated(rows, f"{zlib.crc32(token.encode()):08x}", changed, deleted)


def behavior(case: Behavior, _path: str, _look: Look) -> Iterator[ForeignClaim]:
    """One simulated case."""
    for name, expected, actual in (
        ("row_count", case.expected_row_count, case.actual_row_count),
        ("checksum", case.expected_checksum, case.actual_checksum),
    ):
        stated = f"{expected} / {actual}"
        if expected == actual:
            yield agrees(
                f"expected / actual {name}", stated, "the two are the same, which says nothing of rows"
            )
        else:
            yield _differ(f"expected / actual {name}", stated, case.passed)
    if case.expected_rows == case.actual_rows:
        yield agrees("row samples", f"{len(case.actual_rows)} rows", "both lists are the same samples")
    else:
        stated = f"{len(case.expected_rows)} / {len(case.actual_rows)} rows"
        yield _differ("row samples", stated, case.passed)
    if len(case.actual_rows) > case.actual_row_count:
        why = "more rows are shown than are said to be there"
        yield contradicts("actual_row_count", case.actual_row_count, len(case.actual_rows), why)
    yield from _parameters(case)
    if case.quality_checks:
        yield unproven(
            "quality_checks", examples(case.quality_checks), "names only: dpone evaluates none of them"
        )
    yield _verdict(case.passed, "passed")


def _parameters(case: Behavior) -> Iterator[ForeignClaim]:
    made = simulated(case)
    if case.actual_checksum == made.checksum:
        why = "is the CRC32 of the case's parameters, not of rows: it would be the same whatever was loaded"
        yield unproven("actual_checksum", case.actual_checksum, why)
    else:
        why = "is not what dpone 0.88 computes from these parameters, and nothing here says what it is of"
        yield not_here("actual_checksum", case.actual_checksum, why)
    computed = (made.rows, made.changed, made.deleted)
    if (case.actual_row_count, case.changed_row_count, case.deleted_row_count) == computed:
        why = "follow from configured_row_count and the ratios; nothing was counted"
        yield unproven("row counts", f"{made.rows} rows", why)
    else:
        why = "do not follow from configured_row_count and the ratios, as dpone 0.88's always do"
        stated = f"{case.actual_row_count}, {case.changed_row_count}, {case.deleted_row_count}"
        yield contradicts("row counts", stated, ", ".join(map(str, computed)), why)


def _differ(claim: str, stated: str, passed: bool) -> ForeignClaim:
    if passed:
        return contradicts(claim, stated, None, "the two differ, and the case says it passed")
    return agrees(claim, stated, "the two differ, and the case does not say it passed")


def _verdict(passed: bool, claim: str) -> ForeignClaim:
    if passed:
        return unproven(claim, passed, ONE_FUNCTION)
    return nothing(claim, passed, "claims no pass")


def mock_report(report: MockReport, path: str, look: Look) -> Iterator[ForeignClaim]:
    """Shape A."""
    results = report.results
    yield held(
        "case_count",
        report.case_count,
        len(results),
        "as many results are listed",
        "results are listed otherwise",
    )
    yield from _twice([result.case_id for result in results])
    yield _overall(report.passed, [result.passed for result in results])
    wrong = [
        result.case_id
        for result in results
        if result.passed
        and (result.expected_row_count, result.expected_checksum)
        != (result.actual_row_count, result.actual_checksum)
    ]
    if wrong:
        why = f"expected and actual differ in what says it passed: {examples(wrong)}"
        yield contradicts("results", f"{len(results)} passed", f"{len(wrong)} differ", why)
    agreeing, missing = 0, []
    for result in results:
        named = look.folder.named(result.artifact_path, path)
        there = look.examined(named.path) if named else None
        if named is None or there is None or not isinstance(case := there.model, Behavior):
            missing.append(result.artifact_path)
            continue
        stated = (
            result.case_id,
            result.passed,
            result.actual_row_count,
            result.actual_checksum,
        )
        found = (case.case_id, case.passed, case.actual_row_count, case.actual_checksum)
        if stated != found:
            why = f"{named.path} says otherwise"
            yield contradicts(f"results[{result.case_id}]", str(stated), str(found), why)
        elif there.artifact.outcome is Outcome.FAILED:
            why = f"{named.path} contradicts itself"
            yield contradicts(f"results[{result.case_id}].passed", result.passed, False, why)
        else:
            agreeing += 1
    if agreeing:
        yield agrees("behaviour files", agreeing, "say the same as their line in the report")
    if missing:
        yield not_here("behaviour files", len(missing), f"not in the folder: {examples(missing)}")
    if any(result.passed for result in results):
        yield unproven("results[].passed", sum(result.passed for result in results), ONE_FUNCTION)
    yield _status(report.evidence_status)
    yield from _profile(report.profile)


def matrix_report(report: MatrixReport, _path: str, look: Look) -> Iterator[ForeignClaim]:
    """Shape B."""
    results = report.results
    counted = (len(results), sum(result.passed for result in results))
    for claim, stated, made in (
        ("total_cases", report.total_cases, counted[0]),
        ("passed_cases", report.passed_cases, counted[1]),
        ("failed_cases", report.failed_cases, counted[0] - counted[1]),
    ):
        yield held(claim, stated, made, "as listed", "results are listed otherwise")
    yield from _twice([result.case_id for result in results])
    yield _overall(report.passed, [result.passed and not result.blockers for result in results])
    made_blockers = [blocker for result in results for blocker in result.blockers]
    yield held(
        "blockers", len(report.blockers), len(made_blockers), "as in the results", "the results have others"
    )
    agreeing, missing, mixed = 0, [], []
    for result in results:
        files = _behaviors_of(result.case_id, look)
        wrong = [other for case, bad in files if (other := _other_than(result, case, bad)) is not None]
        if not files:
            missing.append(result.case_id)
        elif not wrong:
            agreeing += 1
        elif len(wrong) == len(files):
            why = "the behaviour file says otherwise"
            yield contradicts(f"results[{result.case_id}]", wrong[0][0], wrong[0][1], why)
        else:
            mixed.append(result.case_id)
    if agreeing:
        yield agrees("behaviour files", agreeing, "say the same as their line in the report")
    if mixed:
        why = f"there are several, they differ, and nobody says which is meant: {examples(mixed)}"
        yield not_here("behaviour files", len(mixed), why)
    if missing:
        yield not_here("behaviour files", len(missing), f"not in the folder: {examples(missing)}")
    if any(result.passed for result in results):
        yield unproven("results[].passed", counted[1], ONE_FUNCTION)


def _behaviors_of(case_id: str, look: Look) -> list[tuple[Behavior, bool]]:
    """Every file of that case, as the report names none, and whether it contradicts itself."""
    found = []
    for path in look.folder.called(f"{case_id}__behavior.json"):
        there = look.examined(path)
        if there is not None and isinstance(there.model, Behavior):
            found.append((there.model, there.artifact.outcome is Outcome.FAILED))
    return found


def _other_than(result: MatrixResult, case: Behavior, contradicted: bool) -> tuple[str, str] | None:
    stated = (result.expected_row_count, result.actual_row_count, result.source, result.sink, result.strategy)
    found = (case.expected_row_count, case.actual_row_count, case.source, case.sink, case.strategy)
    if stated != found:
        return str(stated), str(found)
    # dpone's own report looks at counts only: edited checksums and emptied samples stay green there.
    if result.passed and (contradicted or not case.passed):
        return "passed", "not passed, or contradicts itself"
    return None


def _overall(passed: bool, each: list[bool]) -> ForeignClaim:
    if not each and passed:
        return contradicts("passed", passed, None, "not one case is listed: nothing is no pass")
    made = bool(each) and all(each)
    if passed and made:
        return unproven("passed", passed, f"every line says so, and {ONE_FUNCTION}")
    return held("passed", passed, made, "as its lines say", "its lines say otherwise")


def _twice(case_ids: list[str]) -> Iterator[ForeignClaim]:
    twice = [case_id for case_id, count in Counter(case_ids).items() if count > 1]
    if twice:
        yield contradicts("results", len(case_ids), len(set(case_ids)), f"listed twice: {examples(twice)}")


def _status(status: str) -> ForeignClaim:
    if status == "UNVERIFIED":
        return agrees("evidence_status", status, "and so it is: nothing was verified")
    why = "typed by hand: dpone 0.88 writes UNVERIFIED, and no command of it writes another"
    return contradicts("evidence_status", status, "UNVERIFIED", why)


def _profile(profile: str) -> Iterator[ForeignClaim]:
    if profile != "mock_contract":
        yield contradicts("profile", profile, "mock_contract", "0.88 writes this shape for no other profile")
