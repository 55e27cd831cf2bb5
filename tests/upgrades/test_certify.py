"""What a new version is compared with, and what a comparison calls a regression."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError
from certification_pipeline.pipeline.upgrades import certify as upgrading
from certification_pipeline.pipeline.upgrades.certify import Before, certify_upgrade
from certification_pipeline.pipeline.upgrades.ids import is_upgrade, state_id, upgrade_id
from certification_pipeline.pipeline.upgrades.ledger import Certified, certified
from certification_pipeline.report.diff import Change
from certification_pipeline.report.release import SubjectView
from certification_pipeline.report.upgrade import Upgrade, upgrade_markdown
from certification_pipeline.settings import RunSettings, SettingsError
from tests.report.on_disk import few, write_release
from tests.report.sample import make_subject
from tests.report.test_diff import changed, having

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WHOLE, PART, STATE = Selection(), Selection(routes=("a_to_b",)), Selection(scenarios=("compat.upgrade",))


def ledger(monkeypatch: pytest.MonkeyPatch, *releases: tuple[str, str, Selection]) -> None:
    """Versions with a release each, decided one after the other."""
    found = [
        Certified(version, Outcome.FAILED, release, f"dlt=={version}", BEGIN + timedelta(days=day))
        for day, (version, release, _) in enumerate(releases)
    ]
    selected = {release: selection for _, release, selection in releases}
    monkeypatch.setattr(upgrading, "certified", lambda store: {"dlt": tuple(reversed(found))})
    monkeypatch.setattr(
        upgrading,
        "read_plan",
        lambda directory: SimpleNamespace(plan=SimpleNamespace(selection=selected[directory.release_id])),
    )


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        # The version right below, whenever it was certified, whatever came of it.
        ([("1.31.0", "new", WHOLE), ("1.9.0", "old", WHOLE), ("2.0", "later", WHOLE)], "new"),
        # Its newest release, and one of everything before one that was narrowed.
        ([("1.31.0", "first", WHOLE), ("1.31.0", "second", WHOLE)], "second"),
        ([("1.31.0", "whole", WHOLE), ("1.31.0", "part", PART)], "whole"),
        ([("1.31.0", "part", PART), ("1.31.0", "state", STATE)], "part"),
        # The same version is no version before.
        ([("1.32.0", "same", WHOLE), ("1.32", "same too", WHOLE)], None),
        ([], None),
    ],
)
def test_it_is_compared_with_the_highest_version_below(
    monkeypatch: pytest.MonkeyPatch, releases: list[tuple[str, str, Selection]], expected: str | None
) -> None:
    ledger(monkeypatch, *releases)
    before = upgrading._before(EvidenceStore(Path("unused")), "dlt==1.32.0", None)
    assert (before.release_id if before else None) == expected


def test_the_ledger_is_what_was_decided_by_whatever_name(tmp_path: Path) -> None:
    store = write_release(tmp_path, "dlt", takes=few, release_id="one")
    write_release(tmp_path, "dlt==1.30.0", takes=few, release_id="two")
    write_release(tmp_path, "reference", takes=few, release_id="three")
    undecided = write_release(tmp_path, "dlt", takes=few, release_id="four")
    undecided.release("four", "dlt").summary_path.unlink()
    found = certified(store)
    assert sorted(found) == ["dlt", "reference"]
    assert {(one.release_id, one.engine) for one in found["dlt"]} == {("one", "dlt"), ("two", "dlt==1.30.0")}
    assert upgrading._before(store, "dlt==1.31.0", "two") == Before("two", "dlt==1.30.0")
    with pytest.raises(SettingsError, match="holds nothing of dlt"):
        upgrading._before(store, "dlt==1.31.0", "three")


def test_without_a_version_before_the_catalogues_is_run_beside_it() -> None:
    catalog = load_catalog()
    assert upgrading._older(catalog, "dlt==1.99.0") == "dlt==1.31.0"
    assert upgrading._older(catalog, "dlt==1.31.0") == "dlt==1.30.0"
    with pytest.raises(PlanError, match=r"no version of dlt before 1\.2\.0"):
        upgrading._older(catalog, "dlt==1.2.0")


@pytest.mark.parametrize(
    ("version", "previous"), [("1.32.0", "1.31.0"), ("1.31.0", "1.30.0"), ("1.30.0", None), ("0.1", None)]
)
def test_a_named_version_takes_over_the_state_of_the_one_that_is_known_to_come_before(
    version: str, previous: str | None
) -> None:
    catalog = load_catalog()
    engine = catalog.engine(f"dlt=={version}")
    assert engine.previous == previous
    # As the bench names the release before it.
    assert catalog.engine(f"{engine.id}==1.30.0").id == "dlt==1.30.0"
    assert catalog.engine("sling==99.0").previous == "1.3.5"


@pytest.mark.parametrize(
    "engines", [("dlt",), ("dlt==1.31.0", "dlt==1.30.0"), (), ("reference==1",), ("nobody==1",)]
)
def test_what_is_no_version_of_one_engine_is_refused_before_anything_is_written(
    tmp_path: Path, engines: tuple[str, ...]
) -> None:
    settings = RunSettings(engines=engines, evidence_dir=tmp_path / "evidence")
    with pytest.raises(SettingsError):
        certify_upgrade(settings, load_catalog(), lambda event: None, threading.Event())
    assert not (tmp_path / "evidence").exists()


def test_releases_are_named_by_engine_and_version() -> None:
    assert upgrade_id("dlt==1.32.0") == "upgrade-dlt-1.32.0"
    assert upgrade_id("dlt==1!2.0+local/x") == "upgrade-dlt-1-2.0-local-x"
    long = upgrade_id("dlt==" + "1" * 300)
    assert RunSettings(release_id=state_id(long)).release_id == state_id(long)
    assert is_upgrade(long)
    assert not is_upgrade("nightly-upgrade-1")


@pytest.fixture(scope="module")
def before() -> SubjectView:
    return make_subject("dlt")


def upgrade(before: SubjectView, after: SubjectView, state: SubjectView | None = None) -> Upgrade:
    return Upgrade(before, after, state, "from somewhere")


def test_what_was_red_before_is_no_regression_and_what_turned_red_is(before: SubjectView) -> None:
    assert upgrade(before, before).outcome is Outcome.PASSED
    worse = changed(before, having(before, Outcome.PASSED), outcome=Outcome.FAILED)
    red = upgrade(before, worse)
    assert red.outcome is Outcome.FAILED
    assert red.said.startswith("1 cells that passed do not any more")
    page = upgrade_markdown(red)
    turned_red = page.partition("## Turned red")[2].partition("## Turned green")[0]
    assert turned_red.count(Change.BROKE.value) == 1
    better = upgrade_markdown(upgrade(worse, before))
    assert better.partition("## Turned green")[2].partition("## Otherwise")[0].count(Change.FIXED.value) == 1


def test_a_pass_that_is_no_verdict_any_more_is_red(before: SubjectView) -> None:
    lost = changed(before, having(before, Outcome.PASSED), outcome=Outcome.UNTESTED)
    assert upgrade(before, lost).outcome is Outcome.FAILED


def test_nothing_compared_is_no_pass(before: SubjectView) -> None:
    empty = replace(before, lines=())
    nothing = upgrade(empty, empty)
    assert nothing.outcome is Outcome.CANT_TELL
    assert "no cell has a verdict on both sides" in nothing.said


def test_a_state_that_is_not_taken_over_is_red_though_no_cell_regressed(before: SubjectView) -> None:
    state = replace(before, lines=(having(before, Outcome.PASSED),))
    assert upgrade(before, before, state).outcome is Outcome.PASSED
    broken = changed(state, state.lines[0], outcome=Outcome.FAILED)
    assert upgrade(before, before, broken).outcome is Outcome.FAILED
    assert "state: 0 of 1 passed" in upgrade(before, before, broken).said
    unclear = changed(state, state.lines[0], outcome=Outcome.CANT_TELL)
    assert upgrade(before, before, unclear).outcome is Outcome.CANT_TELL
