"""Connectors on the page: each item of each connector once, what is open with what would prove it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.vocabulary import Outcome, Support
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.report.sections.connectors import connectors_view
from tests.connectors.junit import FAILURE, SKIPPED, Case, cases, report
from tests.connectors.test_verdict import systems, write
from tests.evidence.builders import SMALL, release
from tests.report.shown import said, shown
from tests.report.test_html import HOSTILE

Changed = Callable[[str], ConnectorCertification]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """The artifact of a green run whose first test has this body."""

    def make(body: str) -> ConnectorCertification:
        directory, plan = release(
            tmp_path, tuple(each.model_copy(update={"support": Support.FULL}) for each in SMALL)
        )
        listed: list[Case] = list(cases(systems()))
        return write(directory, plan, report([replace(listed[0], body=body), *listed[1:]]))

    return make


@pytest.fixture
def artifact(changed: Changed) -> ConnectorCertification:
    return changed("")


def test_every_item_of_every_connector_has_its_outcome(artifact: ConnectorCertification) -> None:
    view = connectors_view(artifact)
    assert [line.connector.name for line in view.lines] == [c.name for c in artifact.scope]
    for line in view.lines:
        stored = artifact.connectors[line.connector.name]
        assert [each and each.status for each in line.capabilities] == [
            stored[item].status for item in ChecklistItem
        ]
    text = said(artifact)
    assert artifact.junit
    assert f"{artifact.junit.tests} ran, {artifact.junit.failures} failed" in text


def test_everything_open_is_named_with_its_reason(artifact: ConnectorCertification) -> None:
    view = connectors_view(artifact)
    named = {name for group in view.open for name in group.names}
    assert named == {
        f"{each.connector}: {each.capability.replace('_', ' ')}"
        for items in artifact.connectors.values()
        for each in items.values()
        if each.status not in (Outcome.PASSED, Outcome.INAPPLICABLE)
    }
    text = said(artifact)
    for group in view.open:
        assert group.detail in text
        assert group.remedy.words in text
        assert group.remedy.command in text


def test_a_failed_item_is_red_and_first(changed: Changed) -> None:
    red = changed(FAILURE)
    assert connectors_view(red).open[0].outcome is Outcome.FAILED
    text = said(red)
    for blocker in red.blockers:
        assert blocker.code in text
    assert "rows were lost" in text


def test_a_skipped_item_is_untested_with_its_reason(changed: Changed) -> None:
    red = changed(SKIPPED)
    assert "untested: no server" in said(red)
    assert connectors_view(red).open[0].outcome is Outcome.UNTESTED


def test_hostile_test_messages_stay_text(changed: Changed) -> None:
    text = shown(changed(f"<failure message={quoteattr(HOSTILE)}>x</failure>"))
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert "alert(1)" in text
