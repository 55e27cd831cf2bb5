"""From one cell's file to its row in the report: identity, outcome, what was seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from certification_pipeline.catalog.vocabulary import Anomaly, Fidelity, Outcome, ReasonCode
from certification_pipeline.evidence.artifact import Artifact, Subject
from certification_pipeline.evidence.cell import CellEvidence, CheckJudgement, RowJudgement
from certification_pipeline.evidence.errors import Problem, ProblemKind
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.report import ReportRow
from certification_pipeline.evidence.subject_dir import CellFile


def cell_row(
    plan: CertificationPlan, planned: PlannedCell, found: CellFile, provenance: Provenance
) -> ReportRow:
    """The row of one planned cell. Evidence that is not what the plan asked for proves nothing."""
    if isinstance(found.content, Problem):
        return _row_without_evidence(planned, found, found.content)
    cell = found.content
    outcome = cell.recompute()
    flaky = outcome is Outcome.CANT_TELL and cell.flaky
    problems = tuple(_identity_problems(plan, planned, cell, outcome))
    problems += tuple(_time_problems(plan, cell, provenance))
    if outcome is Outcome.PASSED or flaky:
        problems += tuple(_unnamed(cell))
    seen = cell.detail if outcome is Outcome.PASSED else _what_was_seen(cell, flaky)
    if problems and outcome is not Outcome.FAILED:
        outcome = Outcome.CANT_TELL
    rows = [judgement for judgement in cell.judgements if isinstance(judgement, RowJudgement)]
    last = rows[-1] if rows else None
    return ReportRow(
        case_id=planned.key.cell_id,
        key=planned.key,
        scenario_version=planned.scenario_version,
        outcome=outcome,
        passed=outcome is Outcome.PASSED,
        required=planned.required and not (_measured_out(cell, outcome) and not problems),
        verified=not problems,
        flaky=flaky,
        artifact_path=found.path,
        sha256=found.sha256,
        expected_row_count=last.expected.rows if last else None,
        actual_row_count=last.actual.rows if last else None,
        expected_checksum=last.expected.digest if last else None,
        actual_checksum=last.actual.digest if last else None,
        anomalies=_largest(rows),
        fidelity=_weakest(cell),
        seconds=cell.seconds,
        reason=cell.reason,
        detail=seen,
        remedy=cell.remedy,
        problems=problems,
    )


def _row_without_evidence(planned: PlannedCell, found: CellFile, problem: Problem) -> ReportRow:
    not_run = problem.kind is ProblemKind.NOT_RUN
    if not_run:
        outcome = Outcome.INAPPLICABLE if planned.disposition == "inapplicable" else Outcome.UNTESTED
        reason = planned.reason
    else:
        missing = problem.kind is ProblemKind.MISSING
        outcome = Outcome.UNTESTED if missing else Outcome.CANT_TELL
        reason = ReasonCode.NO_OUTCOME if missing else None
    return ReportRow(
        case_id=planned.key.cell_id,
        key=planned.key,
        scenario_version=planned.scenario_version,
        outcome=outcome,
        passed=False,
        required=planned.required,
        verified=not_run,
        flaky=False,
        artifact_path=found.path if found.sha256 else None,
        sha256=found.sha256,
        reason=reason,
        detail=problem.problem,
        remedy=problem.remedy,
        problems=() if not_run else (str(problem),),
    )


def _identity_problems(
    plan: CertificationPlan, planned: PlannedCell, cell: CellEvidence, outcome: Outcome
) -> Iterator[str]:
    for field, found, expected in (
        ("schema_version", cell.schema_version, CellEvidence.schema_name()),
        ("key", cell.key, planned.key),
        ("plan_digest", cell.plan_digest, plan.plan_digest),
        ("release_id", cell.release_id, plan.release_id),
        ("subject", cell.subject, plan.subject),
        ("profile", cell.profile, plan.profile),
        ("seed", cell.seed, planned.seed),
        ("rows", cell.rows, planned.rows),
        ("scenario_version", cell.scenario_version, planned.scenario_version),
    ):
        if found != expected:
            yield f"{field} is {_short(found)}, the plan says {_short(expected)}"
    if cell.outcome is not outcome or cell.passed != (outcome is Outcome.PASSED):
        yield (
            f"says outcome {cell.outcome.value} and passed {cell.passed}, its judgements say {outcome.value}"
        )
    yield from _disposition_problems(planned, cell, outcome)


def _time_problems(plan: Artifact, cell: CellEvidence, provenance: Provenance) -> Iterator[str]:
    if min(cell.started_at, cell.created_at) < plan.created_at:
        yield f"is older than the plan, which was sealed at {plan.created_at.isoformat()}"
    if cell.finished_at < cell.started_at:
        yield "finished before it started"
    if max(cell.finished_at, cell.created_at) > provenance.created_at:
        yield f"is younger than this report, which was made at {provenance.created_at.isoformat()}"


def _disposition_problems(planned: PlannedCell, cell: CellEvidence, outcome: Outcome) -> Iterator[str]:
    match planned.disposition:
        case "run" if outcome is Outcome.INAPPLICABLE and not _measured_out(cell, outcome):
            yield "says it was not declared, but the plan has it run"
        case "inapplicable" if outcome is not Outcome.INAPPLICABLE:
            yield f"has outcome {outcome.value}, but the plan has it inapplicable"
        case "untested" if outcome is not Outcome.UNTESTED:
            yield f"has outcome {outcome.value}, but the plan has it untested"


def _measured_out(cell: CellEvidence, outcome: Outcome) -> bool:
    """Planned to run, and it ran: its loads were right, but kept nothing that the fault could damage."""
    return (
        outcome is Outcome.INAPPLICABLE and cell.reason is ReasonCode.NOTHING_TO_DISTURB and bool(cell.loads)
    )


def _unnamed(cell: CellEvidence) -> Iterator[str]:
    """A pass certifies a named thing that did something (law 8); this one names or did nothing."""
    if not cell.subject.artifact_digest:
        yield "passed, but the subject has no artifact_digest"
    if not cell.loads:
        yield "passed, but records no load"
    for role, system in (("source", cell.key.source), ("sink", cell.key.sink)):
        if not any(service.role == role and service.system == system for service in cell.services):
            yield f"passed, but names no {system} service as {role}"
    for judgement in cell.judgements:
        if isinstance(judgement, RowJudgement) and (judgement.columns or judgement.samples):
            yield f"{judgement.step}: passed, but lists differing columns or rows"


def _largest(rows: list[RowJudgement]) -> dict[Anomaly, int]:
    largest: dict[Anomaly, int] = {}
    for judgement in rows:
        for anomaly, count in judgement.anomalies.items():
            if count:
                largest[anomaly] = max(count, largest.get(anomaly, count))
    return largest


def _weakest(cell: CellEvidence) -> Fidelity | None:
    return max((service.fidelity for service in cell.services), key=_WEAKNESS.__getitem__, default=None)


def _what_was_seen(cell: CellEvidence, flaky: bool) -> str | None:
    if flaky:
        failures = sum(attempt.outcome is Outcome.FAILED for attempt in cell.attempts)
        return f"passed now, after {failures} failed attempt(s) with nothing changed"
    for judgement in cell.judgements:
        if judgement.outcome is not Outcome.PASSED:
            return f"{judgement.step}: {_difference(judgement)}"
    return cell.detail


def _difference(judgement: RowJudgement | CheckJudgement) -> str:
    if isinstance(judgement, CheckJudgement):
        return f"{judgement.name}: expected {_wanted(judgement)}, observed {_short(judgement.observed)}"
    if judgement.remark:
        return judgement.remark
    counted = [f"{count} {anomaly.value}" for anomaly, count in judgement.anomalies.items() if count]
    return ", ".join(counted) or "fingerprints differ, though no row was found to"


def _wanted(judgement: CheckJudgement) -> str:
    expected = _short(judgement.expected)
    match judgement.comparison:
        case "equal":
            return expected
        case "at_least":
            return f"at least {expected}"
        case "at_most":
            return f"at most {expected}"
        case "one_of":
            return f"one of {expected}"
        case "present":
            return "anything"
        case unknown:
            assert_never(unknown)


def _short(value: object) -> str:
    text = value.cell_id if hasattr(value, "cell_id") else _subject(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _subject(value: object) -> str:
    if isinstance(value, Subject):
        return f"{value.engine} {value.version} ({value.artifact_digest[:19] or 'no digest'})"
    return repr(value)


_LONGEST = 160
_WEAKNESS = {fidelity: at for at, fidelity in enumerate(Fidelity)}
