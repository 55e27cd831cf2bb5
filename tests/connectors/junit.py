"""JUnit files as pytest writes them, and the defects that must not pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from xml.sax.saxutils import quoteattr

from certification_pipeline.catalog.checklist import ChecklistItem, TestMarker
from certification_pipeline.evidence.connector_verdict import PROVEN_BY

ASKED = (TestMarker.UNIT, TestMarker.INTEGRATION)
NAMES = ("reference/duckdb", "reference/postgres")


@dataclass(frozen=True)
class Case:
    connector: str
    item: str
    marker: str
    body: str = ""
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"test_{self.item}_{self.marker}[{self.connector}]"

    def xml(self) -> str:
        told = {"connector": self.connector, "item": self.item, "marker": self.marker, **self.properties}
        listed = "".join(
            f"<property name={quoteattr(k)} value={quoteattr(v)}/>" for k, v in told.items() if v is not None
        )
        return (
            f'<testcase classname="suite" name={quoteattr(self.name)} time="0.1">'
            f"<properties>{listed}</properties>{self.body}</testcase>"
        )


FAILURE = '<failure message="AssertionError: rows were lost&#10;assert 1 == 2">trace</failure>'
ERROR = '<error message="failed on setup">trace</error>'
SKIPPED = '<skipped type="pytest.skip" message="untested: no server"/>'
XFAILED = '<skipped type="pytest.xfail" message="known"/>'


def cases(names: Iterable[str] = NAMES) -> Iterator[Case]:
    """What a green run leaves: every item of every connector, the unchanged level shown as such."""
    for name in names:
        for item, markers in PROVEN_BY.items():
            for marker in markers:
                if marker not in ASKED:
                    continue
                case = Case(name, item.value, marker.value)
                if item is ChecklistItem.CHANGELOG_ENTRY:
                    same = {"level": "beta", "previous_level": "beta", "status": "inapplicable"}
                    case = replace(case, body=SKIPPED, properties=same)
                yield case


def report(listed: Iterable[Case], **totals: int) -> bytes:
    """A whole file; ``totals`` lie about what is inside."""
    listed = list(listed)
    counted = {
        "tests": len(listed),
        "failures": sum("<failure" in case.body for case in listed),
        "errors": sum("<error" in case.body for case in listed),
        "skipped": sum("<skipped" in case.body for case in listed),
        **totals,
    }
    stated = " ".join(f'{name}="{count}"' for name, count in counted.items())
    body = "".join(case.xml() for case in listed)
    head = '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">'
    return f'{head}<testsuite name="pytest" {stated}>{body}</testsuite></testsuites>'.encode()
