"""The pipe, the state and the failures, with a tap and a target of ours in the places of real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Described, Error, Phase, Result
from tests.engines_singer.scripts import SECRET, TAP, TARGET, Pair

LAST_WORDS = 'sys.stderr.write("Traceback\\n  File\\nOperationalError: connection refused\\n")'


def test_it_describes_both_halves_as_one_engine(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    [first] = pair.ask({"type": "describe", "protocol": "1"})
    assert isinstance(first, Described)
    assert (first.engine, first.version) == ("toy", "1.tap + 1.target")
    assert {first.details[role]["name"] for role in ("tap", "target")} == {"toy-tap", "toy-target"}  # type: ignore[index, call-overload]
    (record,) = (tmp_path / "target").rglob("RECORD")
    record.write_text("toy_target.py,sha256=edited,1\n")
    [second] = pair.ask({"type": "describe", "protocol": "1"})
    assert isinstance(second, Described)
    assert first.artifact_digest.startswith("sha256:")
    assert first.artifact_digest != second.artifact_digest, "the target is half of the engine"


def test_records_are_counted_and_the_last_state_of_the_target_is_kept(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    events = pair.ask(pair.request())
    assert [event.phase for event in events if isinstance(event, Phase)] == ["discover", "load"]
    end = events[-1]
    assert isinstance(end, Result)
    assert (end.record.extracted_rows, end.record.state_before, end.record.state_after) == (3, {}, {"at": 1})
    assert end.record.engine_version == "1.tap + 1.target"
    assert pair.kept() == {"at": 1}
    assert pair.notes.read_text() == "discover\nwrote 3\n"


def test_the_tap_gets_the_state_back_and_discovers_a_table_once(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    request = pair.request()
    wider = {**request, "columns": [*request["columns"], {"name": "new", "type": "text", "nullable": True}]}
    for asked in (request, request, wider):
        assert isinstance(pair.load(asked), Result)
    assert pair.kept() == {"at": 3}
    assert pair.notes.read_text().splitlines().count("discover") == 2, "once a table, again when it changed"


@pytest.mark.parametrize(
    ("tap", "target", "says", "state"),
    [
        (TAP + f"\n    {LAST_WORDS}; sys.exit(3)", TARGET, "tap", {"at": 1}),
        (TAP, f"import sys; {LAST_WORDS}; sys.exit(1)", "target", None),
        (TAP, TARGET + f"\n    {LAST_WORDS}; sys.exit(1)", "target", None),
        (TAP, f"import sys; sys.stdin.close(); {LAST_WORDS}; sys.exit(0)", "target", None),
        (TAP + "\n    import os; os.kill(os.getpid(), 9)", TARGET, "SIGKILL", {"at": 1}),
    ],
    ids=["tap", "target at once", "target at the end", "target stops listening", "tap is killed"],
)
def test_a_load_fails_with_whichever_half_fails(
    tmp_path: Path, tap: str, target: str, says: str, state: object
) -> None:
    """What the target vouched for is kept, also when the tap broke later: it is in the sink."""
    pair = Pair(tmp_path, tap.replace("range(3)", "range(3000)"), target)
    end = pair.load()
    assert isinstance(end, Error)
    assert says in end.message
    if says != "SIGKILL":
        assert (end.category, end.retryable) == (FailureCategory.CONNECTIVITY, True)
    assert pair.kept() == state
    assert end.record
    assert end.record.failure_category == end.category


def test_a_failed_discovery_writes_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path, f"import sys; {LAST_WORDS}; sys.exit(1)")
    assert isinstance(pair.load(), Error)
    assert pair.kept() is None
    assert pair.notes.read_text() == "", "the target, waiting, was not told that the stream is over"


def test_a_table_the_tap_does_not_discover_is_not_found(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    request = pair.request()
    request["source"] = {**request["source"], "name": "absent"}
    end = pair.load(request)
    assert isinstance(end, Error)
    assert end.category is FailureCategory.NOT_FOUND


def test_passwords_are_in_no_file_argument_or_message(tmp_path: Path) -> None:
    """They reach the tap in its environment, and only there."""
    tap = """
    import os, sys
    assert os.environ["TOY_PASSWORD"]
    assert not any(os.environ["TOY_PASSWORD"] in word for word in sys.argv)
    sys.exit("RuntimeError: it is " + os.environ["TOY_PASSWORD"])
    """
    pair = Pair(tmp_path, tap)
    end = pair.load()
    assert isinstance(end, Error)
    assert "it is ***" in end.message
    assert SECRET not in end.model_dump_json()
    written = [path for path in pair.state.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"tap.json", "target.json"}
    assert not [path for path in written if SECRET in path.read_text()]


def test_the_catalogue_selects_one_stream_as_the_strategy_has_it(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    wanted = {"incremental_merge": ["id"], "incremental_append": []}
    for strategy, keys in wanted.items():
        assert isinstance(pair.load(pair.request(strategy)), Result)
        [stream] = json.loads((pair.state / "catalog.json").read_text())["streams"]
        root = stream["metadata"][0]["metadata"]
        assert (root["selected"], root["replication-method"], root["replication-key"]) == (
            True,
            "INCREMENTAL",
            "id",
        )
        assert root["table-key-properties"] == stream["key_properties"] == keys
        assert stream["schema"]["properties"]["raw"] == {"type": ["string"], "contentEncoding": "base16"}
        assert "contentEncoding" not in stream["schema"]["properties"]["id"]


def test_settings_take_the_places_of_placeholders_with_their_types(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    assert isinstance(pair.load(), Result)
    assert json.loads((pair.state / "tap.json").read_text()) == {"host": "db.example", "port": 5433}
    assert json.loads((pair.state / "target.json").read_text()) == {"load_method": "overwrite"}


def test_a_tables_slot_is_its_own_and_named_after_its_namespace(tmp_path: Path) -> None:
    """What cleans up after a cell looks for its namespace; the tap allows these signs and 63 of them."""
    pair = Pair(tmp_path)
    pair.config["strategies"]["full_refresh"]["tap"] = {"slot": "{slot}"}
    slots = []
    for namespace in ("ns", "ns", "Sch\u00f6n " * 20, ""):
        request = pair.request()
        request["source"] = {**request["source"], "namespace": namespace}
        pair.load(request)
        slots.append(json.loads((pair.state / "tap.json").read_text())["slot"])
    assert slots[0] == slots[1]
    assert slots[0].startswith("ns_")
    assert len(set(slots)) == 3
    assert all(re.fullmatch(r"(?!pg_)[A-Za-z0-9_]{1,63}", slot) for slot in slots)


@pytest.mark.parametrize(
    ("strategy", "options", "category"),
    [
        ("scd2", {}, "unsupported"),
        ("incremental_merge", {"cursor_nulls": "include"}, "unsupported"),
        ("incremental_merge", {"lookback_seconds": 60}, "unsupported"),
        ("full_refresh", {"artifact": "file"}, "unsupported"),
        ("full_refresh", {"replay": {"kind": "window"}}, "unsupported"),
    ],
)
def test_what_the_pair_has_no_setting_for_is_refused(
    tmp_path: Path, strategy: str, options: dict[str, object], category: str
) -> None:
    pair = Pair(tmp_path)
    end = pair.load(pair.request(strategy, **options))
    assert isinstance(end, Error)
    assert end.category == category
    assert pair.notes.read_text() == "", "nothing was started"
