"""What a run starts, it stops; an engine that cannot start is a fact for the plan, not an exception."""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.harness import workshop
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.events import EngineMissing, EngineReady, RunEvent, ServiceStarted
from certification_pipeline.harness.services.provider import Availability, ServiceError
from certification_pipeline.harness.workshop import (
    DEFECT_VARIABLE,
    MissingEngine,
    ReadyEngine,
    open_workshop,
    ready_engines,
)
from tests.harness.conftest import engine
from tests.services.waiting import wait_gone


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories go: it must be empty afterwards."""
    place = tmp_path / "tmp"
    place.mkdir()
    tmp_path.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def with_engine(catalog: Catalog, *command: str) -> Catalog:
    fake = engine().model_copy(update={"driver": DriverSpec(command=command)})
    return catalog.model_copy(update={"engines": {**catalog.engines, "fake": fake}})


def script(path: Path, body: str) -> str:
    path.write_text(f"#!{sys.executable} -IS\n{body}")
    path.chmod(0o755)
    return str(path)


def test_an_engine_that_answers_is_ready(catalog: Catalog, tmp_path: Path, temporary: Path) -> None:
    answer = '{"type": "described", "protocol": "1", "engine": "fake", "version": "2.3"}'
    command = script(tmp_path / "engine", f"input()\nprint('{answer}', flush=True)\ninput()")
    events: list[RunEvent] = []
    ready = ready_engines(with_engine(catalog, command), ["fake"], events.append)["fake"]
    assert isinstance(ready, ReadyEngine)
    assert ready.described.version == "2.3"
    assert events == [EngineReady("fake", "2.3")]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise SystemExit('no licence')", "no licence"),
        ("input()\nprint('hello', flush=True)\ninput()", "not an event"),
        (
            "import json\ninput()\n"
            "print(json.dumps(dict(type='described', protocol='9', engine='e', version='1')), flush=True)\n"
            "input()",
            "protocol '9'",
        ),
    ],
)
def test_an_engine_that_does_not_say_who_it_is_is_missing(
    catalog: Catalog, tmp_path: Path, temporary: Path, body: str, says: str
) -> None:
    command = script(tmp_path / "engine", body)
    missing = ready_engines(with_engine(catalog, command), ["fake"], lambda _: None)["fake"]
    assert isinstance(missing, MissingEngine)
    assert says in missing.detail
    assert missing.remedy
    assert list(temporary.iterdir()) == []


def test_an_engine_without_a_program_is_missing(catalog: Catalog, temporary: Path) -> None:
    absent = ready_engines(with_engine(catalog, "/no/such/program"), ["fake"], lambda _: None)["fake"]
    assert isinstance(absent, MissingEngine)
    assert "/no/such/program" in absent.detail


def test_a_program_that_the_system_refuses_is_missing(
    catalog: Catalog, tmp_path: Path, temporary: Path
) -> None:
    broken = tmp_path / "engine"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    missing = ready_engines(with_engine(catalog, str(broken)), ["fake"], lambda _: None)["fake"]
    assert isinstance(missing, MissingEngine)
    assert list(temporary.iterdir()) == []


def test_a_planted_defect_makes_another_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = PreparedEngine(("true",), {}, "sha256:" + "0" * 64)
    assert workshop._with_defect("reference", prepared) is prepared
    digests = {prepared.artifact_digest}
    for defect in ("ignore_deletes", "drop_last_batch"):
        monkeypatch.setenv(DEFECT_VARIABLE, defect)
        planted = workshop._with_defect("reference", prepared)
        assert planted.env[DEFECT_VARIABLE] == defect
        digests.add(planted.artifact_digest)
        assert workshop._with_defect("dlt", prepared) is prepared, "only the reference engine has defects"
    assert len(digests) == 3


def open_(catalog: Catalog, *systems: str, on_event: object = lambda _: None) -> object:
    return open_workshop(
        catalog,
        run_id="r",
        systems=systems,
        engines={},
        on_event=on_event,  # type: ignore[arg-type]
        cancel=threading.Event(),
    )


@pytest.mark.integration
def test_everything_started_is_stopped(catalog: Catalog, temporary: Path) -> None:
    events: list[RunEvent] = []
    with open_(catalog, "postgres", "duckdb", "parquet", on_event=events.append) as shop:  # type: ignore[attr-defined]
        started = [event.system for event in events if isinstance(event, ServiceStarted)]
        assert started == ["postgres", "duckdb", "parquet"]
        assert all(service.alive() for service in shop.services.values())
        pid = shop.services["postgres"].pid
        assert list(temporary.iterdir()) != []
    assert wait_gone(pid)
    assert list(temporary.iterdir()) == []


@pytest.mark.integration
def test_a_service_that_does_not_start_takes_the_others_down(
    catalog: Catalog, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    class Refusing:
        def start(self, run_id: str) -> None:
            raise ServiceError("no room", "make some")

    resolve = workshop.resolve

    def wrapped(system: str, context: object) -> object:
        return Refusing() if system == "duckdb" else resolve(system, context)  # type: ignore[arg-type]

    monkeypatch.setattr(workshop, "resolve", wrapped)

    def children() -> set[int]:
        task = Path(f"/proc/self/task/{threading.get_native_id()}/children")
        return set(map(int, task.read_text().split()))

    before = children()

    def note(event: object) -> None:
        pids.extend(children() - before)

    with pytest.raises(ServiceError, match="make some"), open_(catalog, "postgres", "duckdb", on_event=note):  # type: ignore[attr-defined]
        pytest.fail("it must not open")
    assert pids
    assert all(wait_gone(pid) for pid in pids)
    assert list(temporary.iterdir()) == []


def test_a_system_that_is_not_available_is_left_out(
    catalog: Catalog, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "resolve", lambda *_: Availability(False, "gone", "bring it back"))
    with open_(catalog, "postgres") as shop:  # type: ignore[attr-defined]
        assert shop.services == {}


def test_engines_that_cannot_be_started_stop_no_other(
    catalog: Catalog, tmp_path: Path, temporary: Path
) -> None:
    answer = '{"type": "described", "protocol": "1", "engine": "fake", "version": "2.3"}'
    command = script(tmp_path / "engine", f"input()\nprint('{answer}', flush=True)\ninput()")
    drivers = {
        "gone": DriverSpec(command=("./nowhere",)),
        "unlocked": DriverSpec(script="driver.py", lock="none.lock", folder="dlt"),
        "mute": DriverSpec(command=(script(tmp_path / "mute", "raise SystemExit(1)"),)),
        "good": DriverSpec(command=(command,)),
    }
    made = {name: engine().model_copy(update={"id": name, "driver": spec}) for name, spec in drivers.items()}
    events: list[RunEvent] = []
    ready = ready_engines(catalog.model_copy(update={"engines": made}), drivers, events.append)
    assert list(ready) == list(drivers)
    assert isinstance(ready.pop("good"), ReadyEngine)
    for missing in ready.values():
        assert isinstance(missing, MissingEngine)
        assert missing.detail
        assert missing.remedy
    assert {event.engine for event in events if isinstance(event, EngineMissing)} == set(ready)
