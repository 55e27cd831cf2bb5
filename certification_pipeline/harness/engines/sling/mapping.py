"""How a load is put to sling: connections, one stream of a replication, its mode and options.

Only what sling documents; what it has no word for is refused. See README.md for the sources.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from certify_driver import Failure, Job, config  # type: ignore[import-not-found]

SOURCE, SINK = "CERTIFY_SOURCE", "CERTIFY_SINK"

STRATEGIES_OF_SINK = {
    "postgres": ("full_refresh", "incremental_append", "incremental_merge", "snapshot_diff"),
    "sqlite": ("full_refresh", "incremental_append", "incremental_merge", "snapshot_diff"),
    "parquet": ("full_refresh",),
}
LOWEST = {
    "timestamptz": ("timestamptz", "'-infinity'"),
    "timestamp": ("timestamp", "'-infinity'"),
    "date": ("date", "'-infinity'"),
    "int64": ("bigint", "-9223372036854775808"),
}
"""PostgreSQL's type of a cursor and what is below all its values."""
DECIMAL = "decimal(38,10)"
"""The protocol's ``decimal``."""
NO_NULL = "no value of a column is spelt like this"


def connections(job: Job) -> dict[str, str]:
    """Environment variables that name both ends; sling reads connections from there, never from argv."""
    named = {SOURCE: _postgres(job.source.dsn)}
    if job.sink.system == "postgres":
        named[SINK] = _postgres(job.sink.dsn)
    elif job.sink.system == "sqlite":
        named[SINK] = f"sqlite://{job.sink.dsn}"
    return named


def replication(job: Job) -> dict[str, Any]:
    """The replication of one stream, as sling documents it. Raises ``Failure`` for what it cannot do."""
    refuse(job)
    stream: dict[str, Any] = {
        "object": _object(job.sink),
        "mode": "full-refresh" if job.strategy == "full_refresh" else "incremental",
        # By default the text 'NULL' is taken for a NULL.
        "source_options": {"null_if": NO_NULL},
        "target_options": _target_options(job),
    }
    if job.strategy == "incremental_merge" and config().get("incremental") == "inclusive":
        stream["sql"] = _inclusive(job)
    if columns := _columns(job):
        stream["columns"] = columns
    if job.strategy in ("incremental_merge", "snapshot_diff"):
        stream["primary_key"] = job.primary_key
    if job.strategy in ("incremental_append", "incremental_merge"):
        stream["update_key"] = job.cursor
    target = "LOCAL" if job.sink.system == "parquet" else SINK
    return {"source": SOURCE, "target": target, "streams": {_table(job.source): stream}}


def refuse(job: Job) -> None:
    """Raises ``Failure`` for every option that sling has no documented equivalent for."""
    options = vars(job.options)
    if job.source.system != "postgres":
        raise Failure("unsupported", f"this driver reads from postgres, not from {job.source.system}")
    if job.strategy not in STRATEGIES_OF_SINK.get(job.sink.system, ()):
        raise Failure("unsupported", f"this driver has no {job.strategy} into {job.sink.system} for sling")
    if options.get("replay"):
        raise Failure("unsupported", "sling documents no replay of an earlier run")
    if options.get("lookback_seconds"):
        raise Failure("unsupported", "sling 1.3 documents no lookback behind the update key")
    if options.get("on_type_change", "stop") != "stop":
        raise Failure("unsupported", "sling documents no new column for a changed type")
    if options.get("artifact", "auto") not in ("auto", "stream"):
        raise Failure("unsupported", "sling streams; it offers no choice of artifact")
    if options.get("staging_retention", "drop") != "drop":
        raise Failure("unsupported", "sling documents no kept staging table")
    if job.strategy in ("incremental_append", "incremental_merge"):
        if not job.cursor:
            raise Failure("configuration", f"{job.strategy} needs a cursor column")
        if options.get("cursor_nulls", "include") == "exclude":
            raise Failure("unsupported", "sling's first load takes rows without an update key")


def _inclusive(job: Job) -> str:
    """Custom SQL with ``{incremental_value}``, NULL in the first run: the mark itself, and NULLs, each time.

    https://docs.slingdata.io/concepts/replication/modes#incremental-or-backfill-mode-with-custom-sql
    """
    kind = next((column.type for column in job.columns if column.name == job.cursor), "timestamptz")
    if kind not in LOWEST:
        raise Failure("unsupported", f"this driver writes no condition for a cursor of type {kind}")
    cursor, (sql_type, lowest) = _quoted(job.cursor), LOWEST[kind]
    mark = f"coalesce(cast({{incremental_value}} as {sql_type}), {lowest})"
    return f"select * from {_table(job.source)} where {cursor} >= {mark} or {cursor} is null"


def _target_options(job: Job) -> dict[str, Any]:
    """https://docs.slingdata.io/concepts/replication/target-options"""
    if job.sink.system == "parquet":
        return {"format": "parquet", "column_casing": "source"}
    return {"column_casing": "source", "add_new_columns": True, "adjust_column_type": True}


def _columns(job: Job) -> dict[str, str]:
    """Files have decimal(28, 9) unless told otherwise: docs.slingdata.io/concepts/replication/columns"""
    if job.sink.system != "parquet":
        return {}
    return {column.name: DECIMAL for column in job.columns if column.type == "decimal"}


def _object(sink: SimpleNamespace) -> str:
    if sink.system == "parquet":
        return f"file://{sink.dsn}/{sink.namespace}/{sink.name}/data.parquet"
    if sink.system == "sqlite":
        return f"main.{_quoted(sink.name)}"
    return _table(sink)


def _table(thing: SimpleNamespace) -> str:
    return f"{_quoted(thing.namespace)}.{_quoted(thing.name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _postgres(dsn: str) -> str:
    """Its Go driver asks for TLS unless told otherwise, where libpq takes what it gets."""
    parts = urlsplit(dsn)
    options = dict(parse_qsl(parts.query))
    if parts.hostname in ("127.0.0.1", "localhost", "::1"):
        options.setdefault("sslmode", "disable")
    return urlunsplit(parts._replace(query=urlencode(options)))
