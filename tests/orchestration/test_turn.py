"""One run writes a release at a time: a plan is refused meanwhile, a rerun waits and then has its turn."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from certification_pipeline.evidence.exclusive import LOCK, writing
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError
from certification_pipeline.orchestration.names import PLAN
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.settings import RunSettings, load_settings
from tests.orchestration.conftest import House, failures


@pytest.fixture
def settings(tmp_path: Path) -> RunSettings:
    return load_settings(evidence_dir=tmp_path, release_id="r1")


@pytest.fixture
def turn() -> Iterator[ReleaseTurn]:
    made = ReleaseTurn(says_again_seconds=0.05)
    yield made
    made.teardown_after_execution(dg.build_init_resource_context())


def is_free(release: Path) -> bool:
    """A second holder in this process conflicts as one in another does: locks are of open files."""
    descriptor = os.open(release / LOCK, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_it_is_held_until_the_run_ends_however_many_steps_ask(
    settings: RunSettings, turn: ReleaseTurn
) -> None:
    turn.begin(settings)
    turn.begin(settings)
    turn.wait(EvidenceStore(settings.evidence_dir).release("r1", "reference"))
    assert not is_free(settings.release_dir)
    turn.teardown_after_execution(dg.build_init_resource_context())
    assert is_free(settings.release_dir)
    turn.begin(settings)
    assert not is_free(settings.release_dir), "a later run's turn is its own"


def test_no_plan_is_sealed_under_a_run_that_writes_the_release(
    settings: RunSettings, turn: ReleaseTurn
) -> None:
    with writing(settings.release_dir), pytest.raises(PlanError) as refused:
        turn.begin(settings)
    assert f"another run is writing release r1 (pid {os.getpid()})" in str(refused.value)


def test_a_rerun_waits_says_for_whom_and_has_its_turn(
    settings: RunSettings, turn: ReleaseTurn, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = EvidenceStore(settings.evidence_dir).release("r1", "reference")
    said: list[str] = []
    heard_twice = threading.Event()

    class Log:
        def info(self, message: str) -> None:
            said.append(message)
            if len(said) == 2:
                heard_twice.set()

    monkeypatch.setattr(dg, "get_dagster_logger", Log)
    waiting = threading.Thread(target=turn.wait, args=(directory,))
    with writing(settings.release_dir):
        waiting.start()
        assert heard_twice.wait(20)
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()
    assert f"process {os.getpid()} is writing release r1" in said[0]
    assert not is_free(settings.release_dir)


def test_other_releases_are_written_side_by_side(settings: RunSettings, turn: ReleaseTurn) -> None:
    with writing(settings.evidence_dir / "releases" / "another"):
        turn.begin(settings)


def test_waiting_makes_no_release(settings: RunSettings, turn: ReleaseTurn) -> None:
    turn.wait(EvidenceStore(settings.evidence_dir).release("never-planned", "reference"))
    assert not (settings.evidence_dir / "releases").exists()


def test_whatever_writes_a_release_takes_its_turn(house: House) -> None:
    """The calibration is of no release; it has a lock of its own."""
    graph = house.defs.resolve_asset_graph()
    without = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if "turn" not in graph.get(key).assets_def.required_resource_keys
    }
    assert without <= {"evidence/calibration"}


@pytest.mark.integration
def test_a_plan_is_refused_in_the_run_s_own_page(house: House) -> None:
    with writing(house.store.release_path("held")):
        said = failures(house.only(PLAN, release="held"))["plan"]
    assert "another run is writing release held" in said
    assert not house.directory("held").plan_path.exists()
