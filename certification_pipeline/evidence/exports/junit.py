"""JUnit XML: a suite a route, a test a cell, and a suite for the release gate.

Valid against ``junit-10.xsd`` of Jenkins' xUnit plugin, which pytest's ``xunit2`` follows. A test has no
properties there; what identifies its evidence stands in ``system-out`` as ``[[PROPERTY|name=value]]``.

=============  ==============================================================================
passed         a test without a child
failed         ``failure``
cantTell       ``error``: the run proves nothing; with one ``flakyFailure`` an earlier failure
untested       ``skipped``, with the reason
inapplicable   ``skipped``, with the reason
=============  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import Attempt
from certification_pipeline.evidence.exports.release import (
    GATE,
    ExportedSubject,
    facts_of,
    gate_checks,
    reason_of,
)
from certification_pipeline.evidence.exports.xml_text import legal, xml_attribute, xml_text

_TAGS = {
    Outcome.FAILED: "failure",
    Outcome.CANT_TELL: "error",
    Outcome.UNTESTED: "skipped",
    Outcome.INAPPLICABLE: "skipped",
}

_SHOWN = 300


@dataclass(frozen=True)
class _Case:
    name: str
    outcome: Outcome
    kind: str
    message: str
    seconds: float
    facts: Mapping[str, str]
    attempts: Sequence[Attempt] = ()


def junit_xml(subjects: Iterable[ExportedSubject]) -> bytes:
    """The document, UTF-8."""
    suites = [suite for subject in subjects for suite in _suites(subject)]
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites{_totals(case for _, cs, _ in suites for case in cs)}>",
    ]
    for name, cases, properties in suites:
        parts += _suite(name, cases, properties)
    parts.append("</testsuites>")
    return ("\n".join(parts) + "\n").encode()


def _suites(subject: ExportedSubject) -> Iterator[tuple[str, list[_Case], dict[str, str]]]:
    report, summary = subject.report, subject.summary
    properties = {
        "release_id": report.release_id,
        "engine": report.subject.engine,
        "version": report.subject.version,
        "artifact_digest": report.subject.artifact_digest or "none",
        "profile": report.profile,
        "plan_digest": report.plan_digest,
        "chain_hash": summary.chain.chain_hash if summary.chain else "none",
        "producer": f"{summary.producer.name} {summary.producer.version}",
    }
    gate = [_Case(c.name, c.outcome, c.outcome.value, c.message, 0.0, c.facts) for c in gate_checks(subject)]
    yield f"{subject.name}: {GATE}", gate, properties
    for route, rows in subject.by_route():
        cases = [
            _Case(
                f"{row.key.strategy.value}/{row.key.scenario}",
                row.outcome,
                "not_verified" if row.problems else "flaky" if row.flaky else row.outcome.value,
                reason_of(row),
                row.seconds,
                facts_of(row),
                subject.attempts.get(row.case_id, ()),
            )
            for row in rows
        ]
        yield f"{subject.name}: {route}", cases, properties


def _suite(name: str, cases: Sequence[_Case], properties: Mapping[str, str]) -> Iterator[str]:
    skipped = sum(_TAGS.get(case.outcome) == "skipped" for case in cases)
    yield f'  <testsuite name={xml_attribute(name)}{_totals(cases)} skipped="{skipped}">'
    yield "    <properties>"
    for key, value in properties.items():
        yield f"      <property name={xml_attribute(key)} value={xml_attribute(value)}/>"
    yield "    </properties>"
    for case in cases:
        yield from _case(case, name)
    yield "  </testsuite>"


def _case(case: _Case, suite: str) -> Iterator[str]:
    yield (
        f"    <testcase classname={xml_attribute(suite)} name={xml_attribute(case.name)}"
        f' time="{case.seconds:.3f}">'
    )
    if tag := _TAGS.get(case.outcome):
        message = case.message or case.outcome.value
        first = next((line for line in legal(message).splitlines() if line.strip()), case.outcome.value)
        head = f"      <{tag} type={xml_attribute(case.kind)} message={xml_attribute(_cut(first))}"
        yield f"{head}>{xml_text(message)}</{tag}>"
    for attempt in case.attempts:
        if attempt.outcome is Outcome.FAILED:
            when = f"failed at {attempt.finished_at.isoformat()} in run {attempt.run_id}"
            yield f'      <flakyFailure type="failed" message={xml_attribute(when)}/>'
    facts = "\n".join(f"[[PROPERTY|{key}={value}]]" for key, value in case.facts.items())
    yield f"      <system-out>{xml_text(facts)}</system-out>"
    yield "    </testcase>"


def _cut(line: str) -> str:
    """What a list of tests shows; the element holds all of it."""
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _totals(cases: Iterable[_Case]) -> str:
    found = list(cases)
    tags = [_TAGS.get(case.outcome) for case in found]
    seconds = sum(case.seconds for case in found)
    return (
        f' tests="{len(found)}" failures="{tags.count("failure")}" errors="{tags.count("error")}"'
        f' time="{seconds:.3f}"'
    )
