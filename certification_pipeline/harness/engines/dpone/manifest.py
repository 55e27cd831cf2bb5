"""A load request as dpone's manifest: which documented mode and option stands for what. Imports no dpone."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

STATE_TABLE = "dpone_state"

COLUMN_TYPES = {
    "bool": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "decimal": "numeric",
    "float64": "double precision",
    "text": "text",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "bytes": "bytea",
    "uuid": "uuid",
    "json": "jsonb",
    "int_array": "bigint[]",
    "text_array": "text[]",
}
"""What an owner would give the target's columns, where it is made beforehand."""


def schemas(job: Any) -> tuple[str, str, str]:
    """Target, staging and state schema in the sink; all begin with the cell's namespace."""
    target = job.sink.namespace or "public"
    return target, f"{target}_staging", f"{target}_state"


def source_schema(job: Any) -> str:
    """Where the source table is."""
    return job.source.namespace or "public"


def connection(role: str, dsn: str) -> dict[str, str]:
    """The variables by which dpone finds ``connection_id: certify_src`` or ``certify_dst``.

    ``?host=`` (a socket directory) and its like win over the URL's own parts, as in libpq.
    """
    parts = urlsplit(dsn)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    values = {
        "HOST": asked.get("host") or unquote(parts.hostname or "") or "127.0.0.1",
        "PORT": asked.get("port") or str(parts.port or 5432),
        "DATABASE": asked.get("dbname") or unquote(parts.path.lstrip("/")),
        "USERNAME": asked.get("user") or unquote(parts.username or ""),
        # mandatory, also where the server trusts
        "PASSWORD": asked.get("password") or unquote(parts.password or "") or "-",
    }
    return {f"DPONE_CONN_CERTIFY_{role}_{name}": value for name, value in values.items()}


def refused(job: Any, config: dict[str, Any]) -> str | None:  # noqa: PLR0911 - one a reason
    """Why this driver does not run the request: an option is refused rather than ignored."""
    options = job.options
    if (job.source.system, job.sink.system) != ("postgres", "postgres"):
        return f"this driver runs postgres to postgres, not {job.source.system} to {job.sink.system}"
    if getattr(options, "replay", None):
        return "this driver runs no replay: dpone's resync and resume live need a backend of the user's"
    if getattr(options, "lookback_seconds", 0):
        return "dpone's cursor has no lookback for PostgreSQL"
    if job.strategy in ("incremental_append", "incremental_merge") and not job.cursor:
        return f"{job.strategy} needs a cursor column"
    evolution = config.get("sink_options", {}).get("schema_evolution", {})
    if options.on_type_change == "new_column" and not evolution.get("enabled", True):
        return "new columns for new types need schema evolution, which is off here"
    if getattr(options, "staging_retention", "drop") != "drop":
        return "this driver lets dpone drop its staging tables"
    if getattr(options, "artifact", "auto") not in ("auto", "file"):
        return f"dpone hands PostgreSQL's rows over in files; {options.artifact!r} is not offered"
    return None


def manifest(job: Any, config: dict[str, Any], schema: str) -> dict[str, Any]:
    """The whole manifest, reading the table (or a view called like it) in ``schema``.

    ``config["sink_options"]`` is added as it is. ``config["prepared"]``: one COPY instead of pages by ctid,
    which a view does not have (``batch_commit_mode``, docs/postgres.md).
    """
    target, staging, state = schemas(job)
    source_options, strategy = _mode(job)
    whole = config.get("prepared", False)
    options: dict[str, Any] = {name: _copy(value) for name, value in config.get("sink_options", {}).items()}
    if job.options.on_type_change == "new_column":
        options.setdefault("schema_evolution", {})["on_type_change"] = "new_column"
    if job.strategy == "replace" and "replace_technical_columns" in config:
        options["technical_columns"] = config["replace_technical_columns"]
    return {
        "kind": "dpone.batch.v1",
        "defaults": {
            # The documented manifests name their connections; without this line 0.88.0 refuses that.
            "runtime": {"compatibility": {"legacy_runtime_connections": "explicit_only"}},
            "name": "certify",
            "source": {
                "type": "postgres",
                "connection_type": "env",
                "connection_id": "certify_src",
                "options": {**source_options, **({"batch_commit_mode": "whole"} if whole else {})},
            },
            "sink": {
                "type": "postgres",
                "connection_type": "env",
                "connection_id": "certify_dst",
                "table": {"schema": target, "name": job.sink.name},
                "staging": {"schema": staging},
                "strategy": strategy,
                "options": options,
            },
            "state": {
                "type": "postgres",
                "connection_type": "env",
                "connection_id": "certify_dst",
                "vault_mount_point": "unused",
                "vault_path": "unused",
                "table": {"schema": state, "name": STATE_TABLE},
            },
        },
        "schemas": {schema: {"tables": [job.source.name]}},
    }


def _mode(job: Any) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: PLR0911 - one a strategy
    """Source options and sink strategy."""
    options, keys = job.options, list(job.primary_key)
    column = getattr(options, "partition_column", None)
    match job.strategy:
        case "full_refresh":
            return {}, {"mode": "full_refresh"}
        case "incremental_append":
            return {"incremental_column": job.cursor}, {"mode": "incremental_append"}
        case "incremental_merge":
            return {"incremental_column": job.cursor}, {"mode": "incremental_merge", "unique_key": keys}
        case "xmin":
            return {"incremental_strategy": "xmin"}, {"mode": "incremental_merge", "unique_key": keys}
        case "cdc":
            slot = f"{job.sink.namespace or 'certify'}_cdc"
            change = {"enabled": True, "slot": slot, "publication": slot}
            return {"cdc": change}, {"mode": "incremental_merge", "unique_key": keys}
        case "snapshot_diff":
            diff = {"compare": "row_hash", "delete_policy": "hard_delete"}
            return {}, {"mode": "snapshot_diff", "unique_key": keys, "diff": diff}
        case "scd2":
            return {}, {"mode": "scd2", "unique_key": keys}
        case "partition_replace":
            return {}, {"mode": "partition_replace", "partition": {"column": column}}
        case "replace":
            quoted = '"' + str(column).replace('"', '""') + '"'
            low, high = options.partition_from, options.partition_to
            slice_ = f"{quoted} >= DATE '{low}' AND {quoted} < DATE '{high}'"
            return {}, {"mode": "replace", "custom_predicate": slice_}
        case _:
            # dpone loads the day `to`, too; the slice ends before its end.
            last = (date.fromisoformat(options.partition_to) - timedelta(days=1)).isoformat()
            chunk = {"column": column, "from": options.partition_from, "to": last, "step": "1d"}
            folder = str(job.state_dir / "backfill")
            backfill = {"inner_mode": "partition_replace", "state_dir": folder, "chunk": chunk}
            return {}, {"mode": "backfill", "partition": {"column": column}, "backfill": backfill}


def _copy(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value
