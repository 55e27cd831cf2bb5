"""What the driver tells Debezium, what it refuses, and how it names failures."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy, Support
from certification_pipeline.harness.workload.spec import LogicalType
from tests.engines_debezium.modules import driver, events, failures, kit, settings

PASSWORD = "p@ss/wörd"
DSN = f"postgresql://us%20er:{quote(PASSWORD, safe='')}@example.org:6543/d%2Fb"


def job(tmp_path: Path, **changed: Any) -> Any:
    end = {"system": "postgres", "dsn": DSN, "namespace": "c_0123", "name": "t"}
    request = {
        "run_id": "r",
        "source": end,
        "sink": end,
        "columns": [],
        "primary_key": ["id"],
        "strategy": "cdc",
        "options": {"batch_rows": 10_000},
        "state_dir": str(tmp_path),
        **changed,
    }
    return kit.Job(request, lambda event: None)


def test_debezium_is_told_where_and_what(tmp_path: Path) -> None:
    told = settings.properties(job(tmp_path), "c_0123_dbz_1", tmp_path / "offsets.dat", "unavailable-r")
    assert (told["database.user"], told["database.password"]) == ("us er", PASSWORD)
    assert (told["database.hostname"], told["database.port"]) == ("example.org", "6543")
    assert told["database.dbname"] == "d/b"
    assert told["table.include.list"] == "c_0123\\.t"
    assert (told["plugin.name"], told["snapshot.mode"]) == ("pgoutput", "initial")
    assert told["offset.storage.file.filename"] == str(tmp_path / "offsets.dat")
    assert told["database.sslmode"] == "prefer"
    assert (told["skipped.operations"], told["offset.mismatch.strategy"]) == ("none", "trust_offset")
    end = {"system": "postgres", "dsn": f"{DSN}?sslmode=require", "namespace": "n", "name": "t"}
    safe = settings.properties(job(tmp_path, source=end), "s", tmp_path / "o", "u")
    assert (safe["database.sslmode"], safe["database.dbname"]) == ("require", "d/b")
    whole = settings.properties(job(tmp_path, strategy="full_refresh"), "s", tmp_path / "o", "u")
    assert whole["snapshot.mode"] == "initial_only"


def test_nothing_of_how_values_are_told_differs_from_the_defaults(tmp_path: Path) -> None:
    """The claims say that Debezium's defaults carry everything; then no property may say otherwise."""
    told = settings.properties(job(tmp_path), "s", tmp_path / "o", "u")
    deciding = {name for name in told if name.endswith((".handling.mode", "precision.mode"))}
    assert deciding == {"event.converting.failure.handling.mode"}
    assert told["event.converting.failure.handling.mode"] == "fail"
    assert "transforms" not in told


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=63))
def test_a_name_is_a_pattern_for_itself_alone(name: str) -> None:
    pattern = settings.literal(name)
    assert set(pattern) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_\\{}")
    pieces, rest = [], pattern
    while rest:
        if rest.startswith("\\x{"):
            code, rest = rest[3:].split("}", 1)
            pieces.append(chr(int(code, 16)))
        else:
            pieces.append(rest[0])
            rest = rest[1:]
    assert "".join(pieces) == name


def test_slots_are_legal_stable_and_found_by_namespace(tmp_path: Path) -> None:
    end = {"system": "postgres", "dsn": DSN, "namespace": "c_0123", "name": "t"}
    slot = settings.slot_of(job(tmp_path))
    assert slot == settings.slot_of(job(tmp_path, run_id="another"))
    assert slot.startswith("c_0123_dbz_")
    assert slot != settings.slot_of(job(tmp_path, source={**end, "name": "u"}))
    odd = settings.slot_of(job(tmp_path, source={**end, "namespace": "Odd näme " * 9}))
    assert len(odd) <= 63
    assert odd.replace("_", "a").isalnum()
    assert odd.isascii()
    assert odd == odd.lower()


def test_every_type_of_a_column_has_a_name_here() -> None:
    assert set(settings.POSTGRES_TYPES) == set(LogicalType)


@pytest.mark.parametrize(
    "changed",
    [
        {"sink": {"system": "duckdb", "dsn": "x", "namespace": "", "name": "t"}},
        {"source": {"system": "mysql", "dsn": "x", "namespace": "", "name": "t"}},
        {"strategy": "incremental_merge"},
        {"options": {"replay": {"kind": "window"}}},
        {"options": {"artifact": "object_storage"}},
        {"primary_key": []},
    ],
)
def test_what_it_cannot_do_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(kit.Failure) as caught:
        driver.refuse_unsupported(job(tmp_path, **changed))
    assert caught.value.category == "unsupported"


def test_claims_and_driver_agree() -> None:
    claims = load_catalog().engines["debezium"].routes
    claimed = {
        (route.source, route.sink, strategy)
        for route in claims
        for strategy, claim in route.strategies.items()
        if claim.support in (Support.FULL, Support.PARTIAL)
    }
    assert claimed == {("postgres", "postgres", Strategy(name)) for name in driver.STRATEGIES}


def test_without_java_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    jpype = ModuleType("jpype")
    jpype.JVMNotFoundException = type("JVMNotFoundException", (ValueError,), {})  # type: ignore[attr-defined]

    def nowhere() -> str:
        raise jpype.JVMNotFoundException

    jpype.getDefaultJVMPath = nowhere  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jpype", jpype)
    with pytest.raises(SystemExit, match="needs Java 17"):
        driver.describe()


class FakePostgresError(psycopg.Error):
    def __init__(self, state: str) -> None:
        super().__init__("no")
        self.sqlstate = state


@pytest.mark.parametrize(
    ("error", "category", "retryable"),
    [
        (FakePostgresError("42P01"), "not_found", False),
        (FakePostgresError("28P01"), "authentication", False),
        (FakePostgresError("57P01"), "connectivity", True),
        (FakePostgresError("53100"), "resource", True),
        (FakePostgresError("42804"), "schema", False),
        (FakePostgresError("23505"), "data", False),
        (RuntimeError('FATAL: password authentication failed for user "x"'), "authentication", False),
        (RuntimeError("Connection to h:1 refused. Check that the hostname and port"), "connectivity", True),
        (
            RuntimeError("This connector will be stopped.: This connection has been closed."),
            "connectivity",
            True,
        ),
        (
            RuntimeError("io.debezium.DebeziumException: Failed to create TypeRegistry: None"),
            "connectivity",
            True,
        ),
        (RuntimeError("No table filters found for filtered publication s"), "not_found", False),
        (RuntimeError('replication slot "s" is active for PID 1'), "conflict", True),
        (RuntimeError("offset that is no longer available on the server"), "state", False),
        (RuntimeError("java.io.UTFDataFormatException: None"), "state", False),
        (RuntimeError("The connector is trying to read change stream starting at x"), "state", False),
        (RuntimeError("Failed to properly convert data value for 's.t.v' of type numeric"), "data", False),
        (
            RuntimeError("columns that differ only by case. Debezium does not support it"),
            "unsupported",
            False,
        ),
        (psycopg.OperationalError("the connection is lost"), "connectivity", True),
        (events.UnreadableError("day 2147483647"), "data", False),
        (RuntimeError("something else"), "internal", False),
    ],
)
def test_failures_have_a_category(error: Exception, category: str, retryable: bool) -> None:
    failure = failures.classify(error)
    assert (failure.category, failure.retryable) == (FailureCategory(category), retryable)


def test_no_password_gets_into_a_message() -> None:
    for told in (PASSWORD, quote(PASSWORD, safe="")):
        message = failures.classify(RuntimeError(f"cannot reach {told} \n DETAIL: row 1"), DSN).message
        assert told not in message
        assert "row 1" not in message
