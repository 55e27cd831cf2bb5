"""An older Dagster's history in the stack's PostgreSQL, migrated with the command of docs/dagster.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.orchestration.stacks.compose import ComposeStack
from tests.orchestration.upgrade.conftest import OLDER, SCRIPT, work_with
from tests.orchestration.upgrade.shown import History, lost

pytestmark = [pytest.mark.integration_live, pytest.mark.docker]

DATABASE = "older"
REMEMBER = (
    "import json, older, dagster; instance = dagster.DagsterInstance.get(); "
    "print(json.dumps(older.remembered(instance)))"
)


def test_history_survives_the_documented_commands(compose_stack: ComposeStack, tmp_path: Path) -> None:
    server = compose_stack.container("postgres")
    code, said = server.exec_run(["createdb", "--username=dagster", DATABASE])
    assert code == 0, said
    at = {"hostname": compose_stack.address("postgres"), "username": "dagster", "db_name": DATABASE}
    secret = {"password": compose_stack.secrets["DAGSTER_POSTGRES_PASSWORD"], "port": 5432}
    storage = {"postgres": {"postgres_db": {"scheme": "postgresql+psycopg2", **at, **secret}}}
    before = work_with(OLDER[-1], storage, tmp_path / "older")
    once = ("run", "--rm", "--no-TTY", "--no-deps", f"--env=DAGSTER_POSTGRES_DB={DATABASE}")
    migrated = compose_stack.compose(*once, "code", "dagster", "instance", "migrate")
    assert migrated.count("latest:") >= 3, migrated
    # What the new version remembers of it, read in a container by the same questions.
    reading = (f"--volume={SCRIPT}:/older/older.py:ro", "--env=PYTHONPATH=/older")
    said = compose_stack.compose(*once, *reading, "code", "python", "-c", REMEMBER)
    after = History(**json.loads(said.splitlines()[-1]))
    assert sorted(status for _, status in before.runs.values()) == ["FAILURE", "SUCCESS"]
    assert not list(lost(before, after))
