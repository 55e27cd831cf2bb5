"""A JUnit XML report, read as the stranger's file it is: no entities, no half files, no second guesses.

Knows pytest's dialect (``junit_family=xunit2`` with properties) and nothing of connectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.errors import EvidenceError

_REMEDY = "Run the connector tests again: `certify connectors`"
LARGEST = 32 << 20
MESSAGE = 600


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test. ``outcome`` is what JUnit says; a skip is ``untested`` until a property says more."""

    __test__ = False

    name: str
    outcome: Outcome
    message: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JUnitReport:
    """All tests, and the totals the file states about itself."""

    cases: tuple[TestCase, ...]
    tests: int
    failures: int
    errors: int
    skipped: int


def parse_junit(data: bytes, path: str) -> JUnitReport:
    """Raises ``EvidenceError`` for entities and document types, truncation, and totals that do not add up."""
    if len(data) > LARGEST:
        raise _error(path, f"has {len(data)} bytes, more than any run of ours writes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _error(path, "is not UTF-8") from None
    # Entities need a document type, and a report has none: refused before any parser sees it.
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise _error(path, "holds a document type or an entity")
    try:
        root = ET.fromstring(text)  # noqa: S314 - see above
    except ET.ParseError as error:
        raise _error(path, f"is not whole XML: {error}") from None
    suites = [root] if root.tag == "testsuite" else list(root.iter("testsuite"))
    if not suites:
        raise _error(path, "holds no test suite")
    report = JUnitReport(
        tuple(_case(each, path) for suite in suites for each in suite.findall("testcase")),
        *(_total(suites, name, path) for name in ("tests", "failures", "errors", "skipped")),
    )
    _add_up(report, path)
    return report


def _case(element: ET.Element, path: str) -> TestCase:
    properties: dict[str, str] = {}
    for each in element.iterfind("properties/property"):
        name, value = each.get("name", ""), each.get("value", "")
        if properties.setdefault(name, value) != value:
            raise _error(path, f"{element.get('name')} has two values of the property {name}")
    outcome, message = Outcome.PASSED, ""
    for tag, worse in _WORSE.items():
        found = element.find(tag)
        if found is not None:
            outcome = worse
            message = _first_line(found.get("message") or found.text or "")
            if found.get("type") == "pytest.xfail":
                outcome, message = Outcome.FAILED, f"expected to fail, and did: {message}"
            break
    else:
        if "xfail" in properties:
            outcome, message = Outcome.FAILED, "expected to fail, and passed: nobody knows what it proves"
    return TestCase(element.get("name", ""), outcome, message, properties)


def _first_line(text: str) -> str:
    """What the test says, without what pytest adds: its assertion's name and the values it compared."""
    line = next((line for line in text.splitlines() if line.strip()), "").strip()
    return line.removeprefix("AssertionError: ").removeprefix("Failed: ")[:MESSAGE]


# A test whose fixture broke saw nothing of its subject: nobody can tell.
_WORSE = {"failure": Outcome.FAILED, "error": Outcome.CANT_TELL, "skipped": Outcome.UNTESTED}


def _total(suites: list[ET.Element], name: str, path: str) -> int:
    try:
        return sum(int(suite.attrib[name]) for suite in suites)
    except (KeyError, ValueError):
        raise _error(path, f"does not state how many `{name}` there are") from None


def _add_up(report: JUnitReport, path: str) -> None:
    for name, stated, counted in _counts(report):
        if stated != counted:
            raise _error(path, f"states {stated} {name}, and holds {counted}: it was cut or edited")


def _counts(report: JUnitReport) -> Iterator[tuple[str, int, int]]:
    def count(*outcomes: Outcome) -> int:
        return sum(case.outcome in outcomes for case in report.cases)

    # pytest counts an xfail among the skipped and an xpass among the passed; both are failed to us.
    odd = sum(case.message.startswith("expected to fail, and did") for case in report.cases)
    passed_oddly = sum(case.message.startswith("expected to fail, and passed") for case in report.cases)
    yield "tests", report.tests, len(report.cases)
    yield "failures", report.failures, count(Outcome.FAILED) - odd - passed_oddly
    yield "errors", report.errors, count(Outcome.CANT_TELL)
    yield "skipped", report.skipped, count(Outcome.UNTESTED) + odd


def _error(path: str, problem: str) -> EvidenceError:
    return EvidenceError(path, None, problem, _REMEDY)
