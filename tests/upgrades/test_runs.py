"""What is run for an upgrade and with which settings, and what is written beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.evidence.plan import PlannedCell, Selection
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.harness.engines.environment import EngineUnavailable
from certification_pipeline.harness.workshop import MissingEngine
from certification_pipeline.pipeline.upgrades import certify as upgrading
from certification_pipeline.pipeline.upgrades.ids import state_id, upgrade_id
from certification_pipeline.report.upgrade import UPGRADE_PAGE, Upgrade
from certification_pipeline.settings import RunSettings
from tests.report.on_disk import few, write_release

NEW = "dlt==1.32.0"
RELEASE = upgrade_id(NEW)
Run = Callable[..., Upgrade]


def one(cell: PlannedCell) -> bool:
    """Any release will do."""
    return cell.disposition == "run" and cell.key.sink == "duckdb" and few(cell)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[RunSettings]:
    """What would have been run, in order: no engine is started, each writes the release asked for."""
    asked: list[RunSettings] = []

    def certify(settings: RunSettings, *_: object) -> None:
        asked.append(settings)
        for engine in settings.engines:
            write_release(settings.evidence_dir, engine, release_id=settings.release_id, takes=one)

    monkeypatch.setattr(upgrading, "certify", certify)
    monkeypatch.setattr(upgrading, "ready_engines", lambda *_: {})
    planned(monkeypatch, "run")
    return asked


@pytest.fixture
def upgrade(tmp_path: Path) -> Run:
    cancel = threading.Event()

    def run(*, stopped: bool = False, release_id: str | None = None, **how: object) -> Upgrade:
        given = {} if release_id is None else {"release_id": release_id}
        settings = RunSettings(engines=(NEW,), evidence_dir=tmp_path, rows=77, seed=7, **given)
        if stopped:
            cancel.set()
        return upgrading.certify_upgrade(settings, load_catalog(), lambda event: None, cancel, **how)  # type: ignore[arg-type]

    return run


def planned(monkeypatch: pytest.MonkeyPatch, disposition: str) -> None:
    """Of the cells of ``compat.upgrade`` there is one, and this is done with it."""
    plan = SimpleNamespace(cells=[SimpleNamespace(disposition=disposition)])
    monkeypatch.setattr(upgrading, "preview", lambda *_: [plan])


def test_it_is_run_as_the_version_before_was_and_then_its_state_is_taken_over(
    tmp_path: Path, runs: list[RunSettings], upgrade: Run
) -> None:
    store = write_release(tmp_path, "dlt", release_id="earlier", takes=one)
    plan = read_plan(store.release("earlier", "dlt")).plan
    found = upgrade()
    whole, state = runs
    assert (whole.engines, whole.release_id, whole.scenarios) == ((NEW,), RELEASE, plan.selection.scenarios)
    assert (whole.rows, whole.seed, whole.profile) == (plan.rows, plan.seed, plan.profile)
    assert (whole.families, whole.resume) == (("matrix",), True)
    assert (state.engines, state.release_id) == ((NEW,), state_id(RELEASE))
    assert state.scenarios == ("compat.upgrade",)
    assert (state.rows, state.seed) == (plan.rows, plan.seed), "a state is taken over at the same size"
    assert (found.before.plan.release_id, found.after.plan.release_id) == ("earlier", RELEASE)
    assert found.state is not None
    assert found.state.plan.release_id == state_id(RELEASE)
    assert found.note == "From the state of dlt 1.31.0."


def test_the_comparison_lies_beside_its_release_and_nowhere_else(
    tmp_path: Path, runs: list[RunSettings], upgrade: Run
) -> None:
    store = write_release(tmp_path, "dlt", release_id="earlier", takes=one)
    upgrade()
    assert "earlier" in (store.release_path(RELEASE) / UPGRADE_PAGE).read_text()
    assert not (store.release_path(state_id(RELEASE)) / UPGRADE_PAGE).exists()
    for release in (RELEASE, state_id(RELEASE)):
        assert (store.release_path(release) / "report.html").is_file()
    assert len(runs) == 2


def test_a_part_is_compared_with_the_same_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[RunSettings], upgrade: Run
) -> None:
    store = write_release(tmp_path, "dlt", release_id="earlier", takes=one)
    part = {"routes": ("postgres_to_duckdb",), "strategies": ("full_refresh",), "scenarios": ("batch.*",)}
    plan = read_plan(store.release("earlier", "dlt")).plan
    narrowed = plan.model_copy(update={"profile": "local", "selection": Selection.model_validate(part)})
    monkeypatch.setattr(upgrading, "read_plan", lambda _: SimpleNamespace(plan=narrowed))
    upgrade()
    whole, state = runs
    assert {name: getattr(whole, name) for name in part} == part
    assert (state.routes, state.strategies) == (part["routes"], part["strategies"])
    assert {whole.profile, state.profile} == {"local"}


@pytest.mark.parametrize("there_is_one", [True, False])
def test_asked_for_both_or_knowing_none_both_are_run_into_one_release(
    tmp_path: Path, runs: list[RunSettings], upgrade: Run, there_is_one: bool
) -> None:
    if there_is_one:
        write_release(tmp_path, "dlt", release_id="earlier", takes=one)
    found = upgrade(both=there_is_one, release_id="mine")
    assert runs[0].engines == ("dlt==1.31.0", NEW)
    assert (runs[0].rows, runs[0].seed) == (77, 7), "as asked: there is nothing to be as"
    assert {one.plan.release_id for one in (found.before, found.after)} == {"mine"}
    assert (found.before.subject.engine, found.after.subject.engine) == ("dlt==1.31.0", NEW)
    assert runs[1].release_id == state_id("mine")


def test_an_engine_that_cannot_be_started_is_no_regression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[RunSettings], upgrade: Run
) -> None:
    write_release(tmp_path, "dlt", release_id="earlier", takes=one)
    missing = MissingEngine("no wheel for this Python", "use 3.12")
    monkeypatch.setattr(upgrading, "ready_engines", lambda *_: {NEW: missing})
    with pytest.raises(EngineUnavailable, match="no wheel for this Python"):
        upgrade()
    assert runs == []
    assert not EvidenceStore(tmp_path).release_path(RELEASE).exists()


def test_why_no_state_was_taken_over_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[RunSettings], upgrade: Run
) -> None:
    write_release(tmp_path, "dlt", release_id="earlier", takes=one)
    planned(monkeypatch, "untested")
    assert "nothing of compat.upgrade can be run" in upgrade().note

    def nothing(*_: object) -> None:
        raise PlanError("no route is left", "ask for one")

    monkeypatch.setattr(upgrading, "preview", nothing)
    assert upgrade().note == "Not tested: no route is left — ask for one."
    planned(monkeypatch, "run")
    stopped = upgrade(stopped=True)
    assert (stopped.note, stopped.state) == ("Not tested: the run was stopped before.", None)
    assert [run.release_id for run in runs] == [RELEASE] * 3
