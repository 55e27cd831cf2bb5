"""The project of one load: what it holds, where the password is, and what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.loading import load_catalog
from tests.engines.scripts import module

project = module("dbt_snapshot", "project")
Failure, Job = project.Failure, project.Job

DSN = "postgresql://u:ge%3Aheim@127.0.0.1:5433/one"
REQUEST: dict[str, Any] = {
    "run_id": "r",
    "source": {"system": "postgres", "dsn": DSN, "namespace": "c_1", "name": 'a "b"'},
    "sink": {"system": "postgres", "dsn": DSN, "namespace": "c_1_sink", "name": "t"},
    "columns": [],
    "primary_key": ["id"],
    "cursor": 'up"dated',
    "strategy": "scd2",
    "options": {},
    "state_dir": "/nowhere",
}


def job(folder: Path, **changes: Any) -> Any:
    request = copy.deepcopy(REQUEST) | {"state_dir": str(folder)}
    for name, value in changes.items():
        request[name] = {**request[name], **value} if isinstance(request[name], dict) else value
    return Job(request, lambda _: None)


def written(folder: Path, strategy: str, **changes: Any) -> dict[str, Any]:
    made = project.write(job(folder, **changes), strategy)
    content = json.loads((made / "snapshots" / "snapshot.yml").read_text())
    assert isinstance(content, dict)
    return content


def test_the_two_strategies_of_dbt(tmp_path: Path) -> None:
    timestamp = written(tmp_path, "timestamp")["snapshots"][0]["config"]
    assert (timestamp["strategy"], timestamp["updated_at"]) == ("timestamp", '"up""dated"')
    check = written(tmp_path, "check")["snapshots"][0]["config"]
    assert (check["strategy"], check["check_cols"]) == ("check", "all")
    assert "updated_at" not in check
    for config in (timestamp, check):
        assert (config["unique_key"], config["hard_deletes"], config["alias"]) == ('"id"', "invalidate", "t")


def test_a_composite_key_stays_one_of_several_columns(tmp_path: Path) -> None:
    config = written(tmp_path, "check", primary_key=["a", "b"])["snapshots"][0]["config"]
    assert config["unique_key"] == ['"a"', '"b"']


def test_the_source_is_read_in_its_own_schema_and_the_snapshot_written_in_the_sinks(tmp_path: Path) -> None:
    (source,) = written(tmp_path, "check")["sources"]
    assert (source["schema"], source["tables"][0]["identifier"]) == ("c_1", 'a "b"')
    assert '"schema": "c_1_sink"' in (tmp_path / "project" / "profiles.yml").read_text()


def test_the_password_is_in_the_environment_alone(tmp_path: Path) -> None:
    written(tmp_path, "check")
    assert project.credentials(DSN)["DBT_ENV_SECRET_PASSWORD"] == "ge:heim"
    for file in (tmp_path / "project").rglob("*.yml"):
        assert "heim" not in file.read_text()


def test_nothing_of_an_earlier_project_is_left(tmp_path: Path) -> None:
    written(tmp_path, "check")
    (tmp_path / "project" / "snapshots" / "other.yml").write_text("version: 2")
    written(tmp_path, "check")
    assert [file.name for file in (tmp_path / "project" / "snapshots").iterdir()] == ["snapshot.yml"]


@pytest.mark.parametrize(
    "changes",
    [
        {"sink": {"dsn": DSN.replace("/one", "/two")}},
        {"sink": {"system": "duckdb"}},
        {"strategy": "full_refresh"},
        {"options": {"replay": {"kind": "resume"}}},
        {"options": {"on_type_change": "new_column"}},
        {"options": {"artifact": "file"}},
    ],
)
def test_what_a_snapshot_cannot_do_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Failure) as told:
        project.refuse(job(tmp_path, **changes))
    assert told.value.category == "unsupported"
    assert "heim" not in told.value.message


def test_the_timestamp_strategy_needs_a_cursor(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cursor"):
        project.write(job(tmp_path, cursor=None), "timestamp")
    project.write(job(tmp_path, cursor=None), "check")


def test_both_engines_are_one_driver_in_one_database() -> None:
    engines = load_catalog().engines
    for name, strategy in (("dbt_snapshot", "timestamp"), ("dbt_snapshot_check", "check")):
        engine = engines[name]
        assert engine.driver.config == {"strategy": strategy}
        route = engine.route("postgres", "postgres")
        assert route is not None
        assert route.same_database
