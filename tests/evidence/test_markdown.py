"""Markdown: the verdict first, what to do second, and no stranger's text becomes markup."""

from __future__ import annotations

from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.page import MOST_ROWS
from certification_pipeline.evidence.summary import ReleaseSummary
from tests.evidence.builders import RELEASE, SMALL, SUBJECT, cell, key, plan, planned, provenance


def summary(outcome: Outcome, *blockers: Blocker, **changes: Any) -> ReleaseSummary:
    header = provenance().header(ReleaseSummary, RELEASE, SUBJECT, "embedded")
    return ReleaseSummary(**header, **verdict(outcome, blockers), items=()).model_copy(update=changes)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome.PASSED, "# PASS: release summary of reference 0.1.0, release 2024.11.19-r1"),
        (Outcome.FAILED, "# FAIL: "),
        (Outcome.CANT_TELL, "# INCONCLUSIVE: "),
        (Outcome.UNTESTED, "# INCONCLUSIVE (untested): "),
    ],
)
def test_the_first_line_is_the_verdict(outcome: Outcome, says: str) -> None:
    assert markdown(summary(outcome)).splitlines()[0].startswith(says)


def test_blockers_come_next_with_what_to_do() -> None:
    blocker = Blocker(code="a.missing", message="it is not there", next_step="certify run --engine x")
    lines = markdown(summary(Outcome.FAILED, blocker)).splitlines()
    assert lines[2] == "## What blocks"
    assert lines[4] == "1. **a.missing**: it is not there"
    assert lines[5] == "   Next: `certify run --engine x`"


def test_strangers_text_stays_text() -> None:
    nasty = "</td><script>x()</script> | `rm` [a](javascript:b)\n# PASS\x1b[0m"
    blocker = Blocker(code="a.missing", message=nasty, next_step="say `hi`\nrm -rf")
    text = markdown(summary(Outcome.FAILED, blocker))
    assert "<script>" not in text
    assert "[a](" not in text
    assert "\n# PASS" not in text
    assert "\x1b" not in text
    assert "`say 'hi' rm -rf`" in text


def test_a_long_table_ends_with_how_much_more_there_is() -> None:
    cells = tuple(planned(key(scenario=f"s{at}")) for at in range(MOST_ROWS + 7))
    text = markdown(plan(cells))
    assert "… and 7 more in the JSON." in text
    assert text.count("postgres_to_duckdb__") == MOST_ROWS


def test_a_kind_without_markdown_says_so() -> None:
    with pytest.raises(TypeError, match=CellEvidence.__name__):
        markdown(cell(plan(SMALL), SMALL[0]))
