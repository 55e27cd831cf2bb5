"""What the driver asks of sling: modes, keys, options, names, connections; and what it refuses."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.engines.scripts import module

mapping = module("sling", "mapping")
Failure, Job = mapping.Failure, mapping.Job

USER = "postgresql://u:geheim"
REQUEST: dict[str, Any] = {
    "run_id": "r",
    "source": {
        "system": "postgres",
        "dsn": f"{USER}@127.0.0.1:5/src",
        "namespace": "s",
        "name": "t",
    },
    "sink": {
        "system": "postgres",
        "dsn": f"{USER}@db.example:5/dst",
        "namespace": "d",
        "name": "t",
    },
    "columns": [
        {"name": "id", "type": "int64", "nullable": False},
        {"name": "amount", "type": "decimal", "nullable": True},
    ],
    "primary_key": ["id"],
    "cursor": "updated_at",
    "strategy": "full_refresh",
    "options": {},
    "state_dir": "/nowhere",
}


def job(strategy: str, sink: dict[str, str] | None = None, **options: object) -> Any:
    request = copy.deepcopy(REQUEST)
    request["strategy"] = strategy
    request["sink"] |= sink or {}
    request["options"] = options
    return Job(request, lambda _: None)


def stream(asked: Any) -> dict[str, Any]:
    (found,) = mapping.replication(asked)["streams"].values()
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("strategy", "mode", "keys"),
    [
        ("full_refresh", "full-refresh", {}),
        ("incremental_append", "incremental", {"update_key": "updated_at"}),
        ("incremental_merge", "incremental", {"update_key": "updated_at", "primary_key": ["id"]}),
        ("snapshot_diff", "incremental", {"primary_key": ["id"]}),
    ],
)
def test_a_strategy_is_a_mode_and_its_keys(strategy: str, mode: str, keys: dict[str, Any]) -> None:
    made = stream(job(strategy))
    assert made["mode"] == mode
    assert {name: made[name] for name in ("update_key", "primary_key") if name in made} == keys


class TestInclusive:
    """The configuration that reads the mark itself, and NULLs, each time."""

    @pytest.fixture(autouse=True)
    def configured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CERTIFY_ENGINE_CONFIG", '{"incremental": "inclusive"}')

    def test_a_merge_has_a_condition_of_its_own(self) -> None:
        made = stream(job("incremental_merge"))
        assert made["sql"] == (
            'select * from "s"."t" where "updated_at" >= '
            "coalesce(cast({incremental_value} as timestamptz), '-infinity') or \"updated_at\" is null"
        )
        assert (made["update_key"], made["primary_key"]) == ("updated_at", ["id"])

    def test_the_lowest_value_is_of_the_cursors_type(self) -> None:
        asked = job("incremental_merge")
        asked.cursor = "id"
        assert "cast({incremental_value} as bigint), -9223372036854775808)" in stream(asked)["sql"]
        asked.cursor = "amount"
        with pytest.raises(Failure, match="decimal"):
            mapping.replication(asked)

    @pytest.mark.parametrize("strategy", ["full_refresh", "incremental_append", "snapshot_diff"])
    def test_other_strategies_are_as_they_were(self, strategy: str) -> None:
        assert "sql" not in stream(job(strategy))


def test_without_the_configuration_sling_writes_its_own_query() -> None:
    assert "sql" not in stream(job("incremental_merge"))


def test_names_are_quoted_as_sql_quotes_them() -> None:
    asked = job("full_refresh", {"name": 'a "b"'})
    assert stream(asked)["object"] == '"d"."a ""b"""'
    assert list(mapping.replication(asked)["streams"]) == ['"s"."t"']


def test_a_parquet_table_is_a_folder_and_keeps_its_decimals() -> None:
    asked = job("full_refresh", {"system": "parquet", "dsn": "/root", "namespace": "n"})
    assert mapping.replication(asked)["target"] == "LOCAL"
    assert stream(asked)["object"] == "file:///root/n/t/data.parquet"
    assert stream(asked)["columns"] == {"amount": "decimal(38,10)"}
    assert "columns" not in stream(job("full_refresh")), "PostgreSQL has numerics without a precision"


def test_passwords_are_in_connections_alone_and_tls_is_left_to_servers_elsewhere() -> None:
    asked = job("full_refresh")
    named = mapping.connections(asked)
    assert named["CERTIFY_SOURCE"].endswith("/src?sslmode=disable")
    assert named["CERTIFY_SINK"].endswith("/dst")
    assert "geheim" not in str(mapping.replication(asked))


@pytest.mark.parametrize(
    ("strategy", "options", "sink"),
    [
        ("scd2", {}, {}),
        ("incremental_append", {}, {"system": "parquet"}),
        ("full_refresh", {}, {"system": "duckdb"}),
        ("incremental_merge", {"lookback_seconds": 5}, {}),
        ("incremental_merge", {"cursor_nulls": "exclude"}, {}),
        ("full_refresh", {"replay": {"kind": "resume"}}, {}),
        ("full_refresh", {"on_type_change": "new_column"}, {}),
        ("full_refresh", {"artifact": "file"}, {}),
        ("full_refresh", {"staging_retention": "keep"}, {}),
    ],
)
def test_what_sling_has_no_word_for_is_refused(
    strategy: str, options: dict[str, Any], sink: dict[str, str]
) -> None:
    with pytest.raises(Failure) as told:
        mapping.replication(job(strategy, sink, **options))
    assert told.value.category == "unsupported"


def test_an_incremental_load_needs_a_cursor() -> None:
    asked = job("incremental_merge")
    asked.cursor = None
    with pytest.raises(Failure, match="cursor") as told:
        mapping.replication(asked)
    assert told.value.category == "configuration"
