"""CTRF, the Common Test Report Format (https://ctrf.io), ``specVersion`` 0.0.0 of its published JSON Schema.

It has five words for a status: ``passed`` and ``failed`` are ours; ``cantTell`` is ``other``; ``untested``
and ``inapplicable`` are ``skipped``. ``rawStatus`` keeps our word. ``environment.healthy`` and the test
``release_summary`` are the release gate's decision, so that no reader of cells alone sees green.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import JsonValue
from pydantic_core import to_json

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import Attempt
from certification_pipeline.evidence.exports.release import (
    GATE,
    ExportedSubject,
    GateCheck,
    facts_of,
    gate_checks,
    reason_of,
)
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.report import ReportRow

SPEC_VERSION = "0.0.0"
_STATUS = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.CANT_TELL: "other",
    Outcome.UNTESTED: "skipped",
    Outcome.INAPPLICABLE: "skipped",
}
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:certification-pipeline:ctrf")
"""Ids of tests are the same from release to release, which is how CTRF's tools follow a test."""

Json = dict[str, JsonValue]


def ctrf_json(subjects: Sequence[ExportedSubject], made: Provenance) -> bytes:
    """The document, UTF-8; ``made`` says when and by whom it was made."""
    tests = [test for subject in subjects for test in _tests(subject)]
    document: Json = {
        "reportFormat": "CTRF",
        "specVersion": SPEC_VERSION,
        "reportId": str(uuid.uuid5(_NAMES, f"{made.run_id} {made.created_at.isoformat()}")),
        "timestamp": made.created_at.isoformat().replace("+00:00", "Z"),
        "generatedBy": f"{made.producer.name} {made.producer.version}",
        "results": {
            "tool": {"name": made.producer.name, "version": made.producer.version},
            "summary": _summary(subjects, tests, made),
            "tests": list(tests),
            "environment": _environment(subjects),
        },
    }
    return to_json(_spelt(document), indent=2) + b"\n"


def _spelt(value: JsonValue) -> JsonValue:
    """The same, with lone surrogates spelt out: UTF-8 has none."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_spelt(item) for item in value]
    if isinstance(value, dict):
        return {str(_spelt(key)): _spelt(item) for key, item in value.items()}
    return value


def _tests(subject: ExportedSubject) -> Iterable[Json]:
    for check in gate_checks(subject):
        yield _gate_test(subject, check)
    for route, rows in subject.by_route():
        for row in rows:
            yield _test(subject, route, row)


def _gate_test(subject: ExportedSubject, check: GateCheck) -> Json:
    test: Json = {
        "id": _id(subject, check.name),
        "name": check.name,
        "status": _STATUS[check.outcome],
        "rawStatus": check.outcome.value,
        "duration": 0,
        "suite": [subject.name, GATE],
        "extra": dict(check.facts),
    }
    if check.outcome is not Outcome.PASSED:
        test["message"] = check.message or f"outcome {check.outcome.value}"
    return test


def _test(subject: ExportedSubject, route: str, row: ReportRow) -> Json:
    attempts = subject.attempts.get(row.case_id, ())
    test: Json = {
        "id": _id(subject, row.case_id),
        "name": row.case_id,
        "status": _STATUS[row.outcome],
        "rawStatus": row.outcome.value,
        "duration": round(row.seconds * 1000),
        "suite": [subject.name, route],
        "type": "certification",
        "tags": [row.key.strategy.value, row.key.scenario],
        "extra": dict(facts_of(row)),
    }
    if row.outcome is not Outcome.PASSED:
        test["message"] = reason_of(row)
    if row.artifact_path is not None:
        test["filePath"] = row.artifact_path
    if row.flaky:
        test["flaky"] = True
    if attempts:
        test["retries"] = len(attempts)
        test["retryAttempts"] = [_attempt(at, attempt) for at, attempt in enumerate(attempts, 1)]
    return test


def _attempt(number: int, attempt: Attempt) -> Json:
    return {
        "attempt": number,
        "status": _STATUS[attempt.outcome],
        "stop": _milliseconds(attempt.finished_at),
        "extra": {"run_id": attempt.run_id, "outcome": attempt.outcome.value},
    }


def _summary(subjects: Sequence[ExportedSubject], tests: Sequence[Json], made: Provenance) -> Json:
    counts = Counter(str(test["status"]) for test in tests)
    stop = max((s.report.evidence_until or s.report.created_at for s in subjects), default=made.created_at)
    seconds = sum(row.seconds for subject in subjects for row in subject.report.results)
    return {
        "tests": len(tests),
        **{status: counts[status] for status in ("passed", "failed", "skipped", "pending", "other")},
        "flaky": sum(bool(test.get("flaky")) for test in tests),
        "suites": len({str(test["suite"]) for test in tests}),
        # Cells run side by side and files do not say when the first began: their time taken one by one.
        "start": _milliseconds(stop) - round(seconds * 1000),
        "stop": _milliseconds(stop),
        "duration": round(seconds * 1000),
    }


def _environment(subjects: Sequence[ExportedSubject]) -> Json:
    outcome = Outcome.worst(subject.summary.outcome for subject in subjects)
    environment: Json = {
        "healthy": outcome is Outcome.PASSED,
        "extra": {
            "subjects": [
                {
                    "engine": s.report.subject.engine,
                    "version": s.report.subject.version,
                    "artifact_digest": s.report.subject.artifact_digest,
                    "release_id": s.report.release_id,
                    "plan_digest": s.report.plan_digest,
                    "chain_hash": s.summary.chain.chain_hash if s.summary.chain else None,
                    "outcome": s.summary.outcome.value,
                }
                for s in subjects
            ]
        },
    }
    if len(subjects) == 1:
        report = subjects[0].report
        environment |= {
            "appName": report.subject.engine,
            "appVersion": report.subject.version,
            "buildName": report.release_id,
            "testEnvironment": report.profile,
            "osPlatform": report.environment.platform,
        }
        if report.producer.git_revision:
            environment["commit"] = report.producer.git_revision
    return environment


def _id(subject: ExportedSubject, name: str) -> str:
    return str(
        uuid.uuid5(
            _NAMES, f"{subject.report.subject.engine}/{name}".encode("utf-8", "backslashreplace").decode()
        )
    )


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
