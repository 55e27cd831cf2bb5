"""What the connectors are worth: a function of the JUnit report, of who must be in it, and of nothing else.

Both the family that makes the artifact and the gate that verifies it call this; neither can decide
differently from the other. A test counts only for the connector and item its own properties name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from certification_pipeline.catalog.checklist import ChecklistItem, TestMarker
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.connectors import JUNIT, Capability, Connector, ConnectorCertification
from certification_pipeline.evidence.junit import JUnitReport, TestCase

Item = ChecklistItem
_UNIT, _INTEGRATION = TestMarker.UNIT, TestMarker.INTEGRATION

PROVEN_BY: dict[ChecklistItem, tuple[TestMarker, ...]] = {
    Item.DOCUMENTATION_PAGE: (_UNIT,),
    Item.EXAMPLE_MANIFEST: (_UNIT, _INTEGRATION),
    Item.CREDENTIAL_MODEL: (_UNIT, _INTEGRATION),
    Item.OFFLINE_TESTS: (_UNIT,),
    Item.OPTIONAL_DEPENDENCY_SMOKE: (_UNIT,),
    Item.INTEGRATION_PROFILE: (_INTEGRATION,),
    Item.LIVE_INSTRUCTIONS: (_UNIT,),
    Item.KNOWN_LIMITATIONS: (_UNIT,),
    Item.CHANGELOG_ENTRY: (_UNIT,),
    Item.LIVE_TESTS: (TestMarker.INTEGRATION_LIVE,),
}
"""Item -> markers of which each must be there: a manifest that parses has not been run."""

PROFILE_MARKERS: dict[str, tuple[TestMarker, ...]] = {
    "live": (_UNIT, _INTEGRATION, TestMarker.INTEGRATION_LIVE, TestMarker.NIGHTLY)
}
DEFAULT_MARKERS = (_UNIT, _INTEGRATION)

_PYTEST_RED, _PYTEST_GREEN, _PYTEST_NONE = 1, 0, 5
_PROVEN = (Outcome.PASSED, Outcome.INAPPLICABLE)
NO_LEVEL = "none"
_NO_TEST = "no test marked"


@dataclass(frozen=True, slots=True)
class Judged:
    """All of the artifact that follows from its JUnit file."""

    scope: tuple[Connector, ...]
    connectors: dict[str, dict[ChecklistItem, Capability]]
    missing_required: tuple[str, ...]
    outcome: Outcome
    blockers: tuple[Blocker, ...]


def profile_markers(profile: str) -> tuple[TestMarker, ...]:
    """What a run of that profile must ask for; live tests only where the profile is about vendors."""
    return PROFILE_MARKERS.get(profile, DEFAULT_MARKERS)


def judge_connectors(
    scope: Sequence[Connector],
    report: JUnitReport | str,
    *,
    markers: Collection[TestMarker],
    profile: str,
    exit_code: int | None,
    again: str,
) -> Judged:
    """``report`` is a text where there is none: why. ``again`` is the command that makes it."""
    cases = report.cases if isinstance(report, JUnitReport) else ()
    names = {connector.name for connector in scope if connector.reason is None}
    table = {
        connector.name: {
            item: _capability(connector, item, cases, markers, profile) for item in ChecklistItem
        }
        for connector in scope
    }
    required = [cap for items in table.values() for cap in items.values() if cap.required]
    open_ = [cap for cap in required if cap.status not in _PROVEN]
    general = list(_general(report, cases, names, exit_code, again))
    outcomes = [cap.status for cap in required] + [outcome for outcome, _ in general]
    return Judged(
        scope=tuple(_with_levels(connector, cases) for connector in scope),
        connectors=table,
        missing_required=tuple(f"{cap.connector}.{cap.capability}" for cap in open_),
        outcome=Outcome.worst(outcomes),
        blockers=(
            *(blocker for _, blocker in general),
            *(_unreached(connector, again) for connector in scope if connector.required and connector.reason),
            *(_blocker(cap, again) for cap in open_ if cap.connector in names),
        ),
    )


def _capability(
    connector: Connector,
    item: ChecklistItem,
    cases: Sequence[TestCase],
    markers: Collection[TestMarker],
    profile: str,
) -> Capability:
    asked = [marker for marker in PROVEN_BY[item] if marker in markers]
    wanted = [marker for marker in PROVEN_BY[item] if marker in profile_markers(profile)]
    mine = [case for case in cases if _is(case, connector.name, item)]
    lacking = [marker for marker in asked if not any(c.properties.get("marker") == marker for c in mine)]
    outcomes = [_outcome(case) for case in mine]
    detail = remedy = None
    if connector.reason is not None:
        outcomes = [Outcome.UNTESTED]
        detail, remedy = connector.detail or f"not tested: {connector.reason}", connector.remedy
    elif not asked:
        outcomes.append(Outcome.UNTESTED)
        detail = f"only in the live profile: needs tests marked {', '.join(PROVEN_BY[item])}"
        remedy = "certify connectors --live"
    elif lacking:
        outcomes.append(Outcome.UNTESTED)
        detail = f"{_NO_TEST} {', '.join(lacking)} says anything about it"
    status = Outcome.worst(outcomes)
    if detail is None and status is not Outcome.PASSED:
        worst = next(case for case, outcome in zip(mine, outcomes, strict=False) if outcome is status)
        detail = worst.properties.get("detail") or worst.message or f"{worst.name} is {status}"
        remedy = worst.properties.get("remedy")
    return Capability(
        connector=connector.name,
        capability=item,
        status=status,
        required=connector.required and bool(wanted),
        evidence=JUNIT if mine else "",
        tests=tuple(case.name for case in mine),
        detail=detail,
        remedy=remedy,
    )


def _is(case: TestCase, connector: str, item: ChecklistItem) -> bool:
    return case.properties.get("connector") == connector and case.properties.get("item") == item


def _outcome(case: TestCase) -> Outcome:
    """A skip is untested, unless the test showed that there is nothing to prove."""
    if case.outcome is not Outcome.UNTESTED or case.properties.get("status") != Outcome.INAPPLICABLE:
        return case.outcome
    match case.properties.get("item"):
        case Item.CHANGELOG_ENTRY:
            level, before = case.properties.get("level"), case.properties.get("previous_level")
            shown = level is not None and before in {level, NO_LEVEL}
        case Item.LIVE_TESTS:
            # A library and a path: there is no vendor to reach, and no credential it could take.
            shown = case.properties.get("credential_variable") == ""
        case _:
            shown = False
    return Outcome.INAPPLICABLE if shown else Outcome.UNTESTED


def _with_levels(connector: Connector, cases: Sequence[TestCase]) -> Connector:
    told = [case.properties for case in cases if _is(case, connector.name, Item.CHANGELOG_ENTRY)]
    level = next((each["level"] for each in told if "level" in each), None)
    before = next((each["previous_level"] for each in told if "previous_level" in each), None)
    return connector.model_copy(
        update={"level": level, "previous_level": None if before == NO_LEVEL else before}
    )


def _general(
    report: JUnitReport | str,
    cases: Sequence[TestCase],
    names: Collection[str],
    exit_code: int | None,
    again: str,
) -> Iterator[tuple[Outcome, Blocker]]:
    """What is wrong with the report as a whole."""

    def blocker(what: str, message: str) -> Blocker:
        return Blocker(code=f"{ConnectorCertification.KIND}.{what}", message=message, next_step=again)

    if not names:
        message = "the plan has no connector that can be tested here"
        yield Outcome.UNTESTED, blocker("no_connectors", message)
        return
    if isinstance(report, str):
        yield Outcome.CANT_TELL, blocker("missing:junit.xml", report)
        return
    if not cases:
        yield Outcome.UNTESTED, blocker("tests.missing", "pytest collected no test")
    elif all(case.outcome is Outcome.UNTESTED for case in cases):
        yield Outcome.UNTESTED, blocker("tests.untested", f"all {len(cases)} tests were skipped")
    for case in cases:
        connector, item = case.properties.get("connector"), case.properties.get("item")
        if connector not in names or item not in list(ChecklistItem):
            message = f"the test {case.name} is about {connector or 'no connector'}, {item or 'no item'}"
            yield Outcome.FAILED, blocker("tests.not_attributed", message)
    if (problem := _disagreement(report, exit_code)) is not None:
        yield Outcome.CANT_TELL, blocker("exit_code.not_verified", problem)


def _disagreement(report: JUnitReport, exit_code: int | None) -> str | None:
    """pytest's own verdict and its report must say the same."""
    red = report.failures + report.errors > 0
    if exit_code == _PYTEST_GREEN and not red:
        return None
    if exit_code == _PYTEST_RED and red:
        return None
    if exit_code == _PYTEST_NONE and not report.tests:
        return None
    told = "was killed" if exit_code is None else f"ended with code {exit_code}"
    return f"pytest {told}, its report has {report.failures} failures and {report.errors} errors"


def _unreached(connector: Connector, again: str) -> Blocker:
    """One for the whole connector: none of its items could be tested, for one reason."""
    return Blocker(
        code=f"connector.{connector.name}.untested",
        message=connector.detail or f"not tested: {connector.reason}",
        next_step=f"{connector.remedy}; then: {again}" if connector.remedy else again,
    )


def _blocker(capability: Capability, again: str) -> Blocker:
    if capability.status is Outcome.UNTESTED:
        word = "missing" if (capability.detail or "").startswith(_NO_TEST) else "untested"
    else:
        word = "not_passed"
    return Blocker(
        code=f"connector.{capability.connector}.{capability.capability}.{word}",
        message=capability.detail or f"its outcome is {capability.status}",
        next_step=f"{capability.remedy}; then: {again}" if capability.remedy else again,
    )
