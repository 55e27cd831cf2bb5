"""What the consumer takes from a batch, without Java: texts as Debezium sends them, a sink of notes."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engines_debezium.modules import connector, events, kit
from tests.engines_debezium.test_events import event, optional

ID = {"id": optional("int64")}


class Record:
    def __init__(self, text: str | None) -> None:
        self._text = text

    def value(self) -> str | None:
        return self._text


class Notes:
    """A sink: what it was told, and what of it was committed."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.pending: list[Any] = []

    @contextmanager
    def transaction(self) -> Any:
        self.pending = []
        yield
        self.done += self.pending

    def begin_snapshot(self) -> None:
        self.pending.append("begin")

    def stage(self, changes: list[Any]) -> None:
        self.pending.append(("stage", len(changes)))

    def publish(self, declared: list[Any]) -> None:
        self.pending.append(("publish", [column.type for column in declared]))

    def apply(self, net: Any) -> int:
        self.pending.append(("apply", dict(net.rows), net.truncated))
        return len(net.rows)


def wrapped(payload: dict[str, Any]) -> str:
    return '{"schema":{},"payload":' + json.dumps(payload) + "}"


def notice(state: str, **details: str) -> str:
    return wrapped({"aggregate_type": "Initial Snapshot", "type": state, "additional_data": details})


def scanned(rows: int, table: str = "s.t") -> str:
    return notice("TABLE_SCAN_COMPLETED", scanned_collection=table, total_rows_scanned=str(rows))


def message(content: bytes) -> str:
    return wrapped({"op": "m", "message": {"prefix": "p", "content": base64.b64encode(content).decode()}})


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def consumer(notes: Notes, tmp_path: Path) -> Any:
    return make(notes, tmp_path, "cdc")


def make(notes: Notes, folder: Path, strategy: str) -> Any:
    end = {"system": "postgres", "dsn": "", "namespace": "s", "name": "t"}
    request = {
        "run_id": "r",
        "source": end,
        "sink": end,
        "columns": [{"name": "id", "type": "int64"}],
        "primary_key": ["id"],
        "strategy": strategy,
        "state_dir": str(folder),
    }
    job = kit.Job(request, lambda line: None)
    return connector.Consumer(job, notes, events.Reader("-"), lambda: b"mark")


def take(consumer: Any, *texts: str | None) -> None:
    consumer.handleJsonBatch([Record(text) for text in texts])


def row(op: str, key: int) -> str:
    return event(op, ID, None, {"id": key}) if op == "d" else event(op, ID, {"id": key})


def test_a_snapshot_over_several_batches(consumer: Any, notes: Notes) -> None:
    take(consumer, notice("STARTED"), row("r", 1))
    take(consumer, row("r", 2), scanned(3), row("r", 3), notice("COMPLETED"))
    assert notes.done == ["begin", ("stage", 1), ("stage", 2), ("publish", ["bigint"])]
    assert (consumer.awaited, consumer.reached) == (b"mark", False)
    take(consumer, message(b"another"), row("c", 4), None)
    assert not consumer.reached
    take(consumer, row("d", 1), message(b"mark"))
    assert consumer.reached
    assert notes.done[4:] == [("apply", {(4,): {"id": 4}}, False), ("apply", {(1,): None}, False)]
    assert consumer.counts == {
        "extracted_rows": 5,
        "staged_rows": 3,
        "loaded_rows": 5,
        "inserted_rows": 4,
        "updated_rows": 0,
        "deleted_rows": 1,
    }


def test_a_snapshot_that_starts_again_is_counted_anew(consumer: Any, notes: Notes) -> None:
    take(consumer, notice("STARTED"), row("r", 1), row("r", 2))
    take(consumer, notice("STARTED"), row("r", 1), scanned(1), notice("COMPLETED"))
    assert notes.done[2:] == ["begin", ("stage", 1), ("publish", ["bigint"])]


def test_a_full_refresh_ends_with_its_snapshot(notes: Notes, tmp_path: Path) -> None:
    consumer = make(notes, tmp_path, "full_refresh")
    take(consumer, notice("STARTED"), scanned(0), notice("COMPLETED"))
    assert consumer.reached
    assert notes.done == ["begin", ("publish", ["bigint"])]


@pytest.mark.parametrize(
    ("texts", "category"),
    [
        ([scanned(1)], "data"),  # a row that Debezium read never arrived
        ([], "not_found"),  # the table was not among those scanned
        ([scanned(0, "s.T")], "not_found"),  # lists are matched without regard to case
    ],
)
def test_a_snapshot_is_published_only_when_it_is_whole(
    consumer: Any, notes: Notes, texts: list[str], category: str
) -> None:
    with pytest.raises(kit.Failure) as caught:
        take(consumer, notice("STARTED"), *texts, notice("COMPLETED"))
    assert caught.value.category == category
    assert notes.done == []


def test_events_of_other_tables_are_left_alone(consumer: Any, notes: Notes) -> None:
    take(consumer, row("c", 1).replace('"table":"t"', '"table":"T"'))
    assert notes.done == []


def test_after_a_failure_nothing_more_is_taken(consumer: Any, notes: Notes) -> None:
    """Were a later batch acknowledged, the offset would pass the one that failed."""
    with pytest.raises(events.UnreadableError):
        take(consumer, "no event")
    with pytest.raises(events.UnreadableError):
        take(consumer, row("c", 1))
    assert notes.done == []
    assert isinstance(consumer.failure, events.UnreadableError)
