"""The dbt project of one load: one source table, one snapshot of it, a profile that reads the environment.

Written anew for each load into the state folder; JSON is YAML, so that names need no quoting rules of ours.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from certify_driver import Failure, Job  # type: ignore[import-not-found]

PROJECT = "certified_snapshot"
TWO_DATABASES = "dbt-postgres reads and writes one database; these are two"


def refuse(job: Job) -> None:
    """Raises ``Failure`` for what dbt snapshot does not do."""
    options = vars(job.options)
    ends = (job.source.system, job.sink.system)
    if ends != ("postgres", "postgres"):
        raise Failure("unsupported", f"this driver snapshots postgres in postgres, not {' into '.join(ends)}")
    if job.strategy != "scd2":
        raise Failure("unsupported", f"dbt snapshot keeps history (scd2); it knows no {job.strategy}")
    if urlsplit(job.source.dsn).path != urlsplit(job.sink.dsn).path:
        raise Failure("unsupported", TWO_DATABASES)
    if options.get("replay"):
        raise Failure("unsupported", "dbt documents no replay of an earlier snapshot")
    if options.get("on_type_change", "stop") != "stop":
        raise Failure("unsupported", "dbt documents no new column for a changed type")
    if options.get("artifact", "auto") != "auto":
        raise Failure("unsupported", "dbt moves rows inside the database; there is no artifact")
    if len(job.primary_key) == 0:
        raise Failure("configuration", "a snapshot needs a unique key")


def write(job: Job, strategy: str) -> Path:
    """The project's folder. Raises ``Failure`` when the strategy lacks what it needs."""
    folder: Path = job.state_dir / "project"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "snapshots").mkdir(parents=True)
    _yaml(folder / "dbt_project.yml", _project())
    _yaml(folder / "profiles.yml", _profiles(job))
    _yaml(folder / "snapshots" / "snapshot.yml", {"version": 2, **_source(job), **_snapshot(job, strategy)})
    return folder


def credentials(dsn: str) -> dict[str, str]:
    """The connection as environment variables; dbt keeps ``DBT_ENV_SECRET_`` out of logs and artifacts."""
    parts = urlsplit(dsn)
    return {
        "CERTIFY_HOST": parts.hostname or "localhost",
        "CERTIFY_PORT": str(parts.port or 5432),
        "CERTIFY_USER": unquote(parts.username or ""),
        "CERTIFY_DATABASE": unquote(parts.path.lstrip("/")),
        "DBT_ENV_SECRET_PASSWORD": unquote(parts.password or ""),
    }


def _project() -> dict[str, Any]:
    return {
        "name": PROJECT,
        "version": "1.0.0",
        "config-version": 2,
        "profile": "certify",
        "snapshot-paths": ["snapshots"],
        "flags": {"send_anonymous_usage_stats": False, "partial_parse": False},
    }


def _profiles(job: Job) -> dict[str, Any]:
    output = {
        "type": "postgres",
        "host": "{{ env_var('CERTIFY_HOST') }}",
        "port": "{{ env_var('CERTIFY_PORT') | as_number }}",
        "user": "{{ env_var('CERTIFY_USER') }}",
        "password": "{{ env_var('DBT_ENV_SECRET_PASSWORD') }}",
        "dbname": "{{ env_var('CERTIFY_DATABASE') }}",
        "schema": job.sink.namespace,
        "threads": 1,
    }
    return {"certify": {"target": "sink", "outputs": {"sink": output}}}


def _source(job: Job) -> dict[str, Any]:
    table = {"name": "table", "identifier": job.source.name}
    source = {
        "name": "source",
        "schema": job.source.namespace,
        "quoting": {"schema": True, "identifier": True},
        "tables": [table],
    }
    return {"sources": [source]}


def _snapshot(job: Job, strategy: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "alias": job.sink.name,
        "unique_key": _one_or_more([_quoted(name) for name in job.primary_key]),
        # https://docs.getdbt.com/reference/resource-configs/hard-deletes: absent rows are closed.
        "hard_deletes": "invalidate",
        "strategy": strategy,
    }
    if strategy == "check":
        config["check_cols"] = "all"
    elif not job.cursor:
        raise Failure("configuration", "the timestamp strategy needs a cursor column")
    else:
        config["updated_at"] = _quoted(job.cursor)
    relation = "source('source', 'table')"
    return {"snapshots": [{"name": "snapshot", "relation": relation, "config": config}]}


def _one_or_more(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _yaml(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
