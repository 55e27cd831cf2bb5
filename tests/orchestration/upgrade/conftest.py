"""An installation in which an older Dagster worked, migrated as docs/dagster.md says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uv
import yaml
from psycopg.conninfo import conninfo_to_dict

from certification_pipeline.harness.services.cache import built_once, cache_root
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.redaction import Redactor
from tests.orchestration.stacks.local import LocalStack
from tests.orchestration.upgrade.shown import History

OLDER = ("1.10.21", "1.12.22")
"""Of Dagster: the last one whose tables are not today's, and the minor before today's."""
Storage = dict[str, Any]
"""As it stands in ``dagster.yaml``."""
SCRIPT = Path(__file__).with_name("older.py")
ROOT = Path(__file__).parents[3]


@dataclass
class Upgraded:
    """What people saw before, and the installation now; its daemon is not started yet."""

    stack: LocalStack
    before: History
    migrated: str


def dagster_of(version: str) -> Path:
    """The interpreter of an environment with that Dagster, made once; skips when it cannot be had."""
    home = (
        cache_root()
        / "tests"
        / f"dagster-{version}-postgres-py{sys.version_info.major}.{sys.version_info.minor}"
    )

    def build(directory: Path) -> None:
        command = [uv.find_uv_bin(), "venv", "--quiet", "--relocatable", "--python", sys.executable]
        subprocess.run([*command, str(directory / "venv")], check=True, capture_output=True, text=True)
        install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python"]
        subprocess.run(
            [*install, str(directory / "venv/bin/python"), f"dagster=={version}", "dagster-postgres"],
            check=True,
            capture_output=True,
            text=True,
        )

    try:
        return built_once(home, build) / "venv/bin/python"
    except subprocess.CalledProcessError as error:
        pytest.skip(f"Dagster {version} cannot be installed here: {error.stderr[-300:]}")


def environ(home: Path) -> dict[str, str]:
    """Nothing of this process's configuration, and that ``DAGSTER_HOME``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CERTIFY_", "DAGSTER", "PYTHON"))
    }
    return {**kept, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}


def work_with(version: str, storage: Storage, home: Path) -> History:
    """An older Dagster writes its history into ``storage``; what it then remembers."""
    home.mkdir()
    settings = {"storage": storage, "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    done = subprocess.run(
        [str(dagster_of(version)), str(SCRIPT), str(home)],
        cwd=home,
        env=environ(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return History(**json.loads((home / "remembered.json").read_text()))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Storage]:
    """An empty database, named as docker/dagster.yaml names the stack's."""
    redactor = Redactor()
    with Guardian() as guardian:
        cluster = PostgresWheelProvider(redactor=redactor, guardian=guardian).start("upgrade")
        try:
            at = conninfo_to_dict(cluster.sink().dsn)
            settings = {"hostname": at["host"], "username": at["user"], "db_name": at["dbname"]}
            settings |= {"port": int(str(at["port"])), "password": at["password"]}
            yield {"postgres": {"postgres_db": {"scheme": "postgresql+psycopg2", **settings}}}
        finally:
            cluster.stop()


def ours(storage: Storage) -> Storage:
    """The same database by the class that docker/dagster.yaml names."""
    shipped = yaml.safe_load((ROOT / "docker" / "dagster.yaml").read_text())["storage"]["custom"]
    return {"custom": {**shipped, "config": storage["postgres"]}}


@pytest.fixture(
    scope="package",
    params=[(version, "sqlite") for version in OLDER] + [(OLDER[-1], "postgres")],
    ids="-".join,
)
def upgraded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Webserver and code server run on the migrated history."""
    version, kind = request.param
    temporary = Path(tempfile.mkdtemp(prefix="certify-upgrade-", dir="/tmp"))
    temporary.chmod(0o755)
    root = tmp_path_factory.mktemp("upgraded")
    postgres = request.getfixturevalue("postgres") if kind == "postgres" else None
    stack = LocalStack(root, temporary, postgres and ours(postgres))
    try:
        # Dagster's own class then; ours goes on with its files and tables.
        before = work_with(
            version, postgres or {"sqlite": {"base_dir": str(stack.home / "storage")}}, root / "older"
        )
        migrated = subprocess.run(
            [sys.executable, "-m", "dagster", "instance", "migrate"],
            cwd=stack.home,
            env={**environ(stack.home), "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert migrated.returncode == 0, migrated.stderr[-3000:]
        stack.start("webserver", "code")
        yield Upgraded(stack, before, migrated.stdout + migrated.stderr)
    finally:
        stack.stop()
        shutil.rmtree(temporary, ignore_errors=True)
