"""Which documented feature of dlt stands for which strategy, option and sink.

Every choice here is dlt's own documented feature, named in ``catalog/data/engines/dlt.yaml`` with its
source; nothing works around dlt. Knows how a load is built, not how it runs (``loading.py``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found]
import sqlalchemy
from dlt.common.normalizers.naming.direct import (  # type: ignore[import-not-found]
    NamingConvention as DirectNaming,
)
from dlt.sources.helpers.transform import add_row_hash_to_table  # type: ignore[import-not-found]
from dlt.sources.sql_database import (  # type: ignore[import-not-found]
    TableLoader,
    remove_nullability_adapter,
    sql_table,
)
from dlt.sources.sql_database.arrow_helpers import (  # type: ignore[import-not-found]
    row_tuples_to_arrow,
)
from failures import BadRequestError, UnsupportedError, redact  # type: ignore[import-not-found]

Request = dict[str, Any]

NAMING = "direct"
"""The naming convention that changes identifiers least (docs: general-usage/naming-convention)."""

SLICED_STRATEGIES = ("replace", "partition_replace")
INCREMENTAL_STRATEGIES = ("incremental_append", "incremental_merge")
SNAPSHOT_STRATEGIES = ("full_refresh", "snapshot_diff", "scd2", "replace")
"""An empty extract means something for these: rows may have to go."""

STRATEGIES_OF_SINK: dict[str, tuple[str, ...]] = {
    "postgres": (*INCREMENTAL_STRATEGIES, *SNAPSHOT_STRATEGIES, "partition_replace"),
    "duckdb": (*INCREMENTAL_STRATEGIES, *SNAPSHOT_STRATEGIES, "partition_replace"),
    "sqlite": (*INCREMENTAL_STRATEGIES, "full_refresh", "scd2", "replace", "partition_replace"),
    "parquet": ("full_refresh", "incremental_append"),
}

BACKEND = "pyarrow"
"""``sql_table``'s Arrow backend: "preserves exact data types". The default one sends rows through JSON, which
turns NaN into NULL or refuses it."""

FILE_FORMAT_OF_SINK: dict[str, str] = {
    "postgres": "parquet",  # through ADBC: insert_values cannot carry NaN, csv no bytes
    "duckdb": "parquet",  # what dlt's DuckDB page suggests
    "sqlite": "parquet",
    "parquet": "parquet",
}

ROW_HASH = "row_hash"
"""scd2 needs a hash column of its own here (docs: merge-loading, "Use scd2 with Arrow tables")."""

os.environ.update(
    {
        # A load has a handful of files. With a single worker dlt waits a whole second for a free slot.
        "LOAD__WORKERS": "4",
        "NORMALIZE__WORKERS": "1",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        # Arrow loads carry the load id too, so that dlt's reader contract (_dlt_loads) can be judged.
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    }
)


class _SayWhenEmpty(TableLoader):  # type: ignore[misc]  # untyped here: dlt lives in the driver's environment
    """dlt's loader, plus an empty Arrow table when there are no rows but the load must still happen.

    Without one dlt makes no load job: an empty snapshot would delete nothing and an empty source would get
    no table (docs: merge-loading, "Delete all records with an empty snapshot"). The docs' marker,
    ``materialize_table_schema``, is for rows as Python objects: it adds columns that Arrow rows lack.
    """

    def load_rows(self, backend_kwargs: dict[str, Any] | None = None) -> Iterator[Any]:
        empty = True
        for rows in super().load_rows(backend_kwargs):
            empty = False
            yield rows
        if empty:
            yield row_tuples_to_arrow([], columns=self.columns, tz="UTC")


@dataclass(frozen=True)
class _Sink:
    """A request's sink in dlt's terms: destination and dataset."""

    destination: Any
    dataset: str


def refuse_unsupported(request: Request) -> None:
    """Every option dlt has no documented equivalent for is refused, never ignored."""
    sink, strategy, options = request["sink"]["system"], request["strategy"], request.get("options", {})
    if request["source"]["system"] != "postgres":
        raise UnsupportedError(f"this driver reads from postgres, not from {request['source']['system']}")
    if strategy not in STRATEGIES_OF_SINK.get(sink, ()):
        raise UnsupportedError(f"dlt documents no {strategy} for a {sink} destination")
    if options.get("replay"):
        raise UnsupportedError(
            "dlt documents no replay of an earlier run; a full or sliced load is a new run"
        )
    if options.get("artifact", "auto") not in ("auto", "file"):
        raise UnsupportedError(
            f"dlt hands data over in files; artifact {options['artifact']!r} is not offered"
        )
    if options.get("lookback_seconds") and strategy == "incremental_append":
        raise UnsupportedError(
            "with `lag` dlt switches deduplication off: an append would deliver rows twice"
        )
    if strategy in INCREMENTAL_STRATEGIES and not request.get("cursor"):
        raise BadRequestError(f"{strategy} needs a cursor column")
    if strategy in SLICED_STRATEGIES and not options.get("partition_column"):
        raise BadRequestError(f"{strategy} needs options.partition_column")
    if strategy == "replace" and not (options.get("partition_from") and options.get("partition_to")):
        raise BadRequestError("replace needs options.partition_from and options.partition_to")


def open_pipeline(request: Request) -> Any:
    """dlt's pipeline for this source, sink and state folder; nothing has run yet."""
    sink = _sink(request)
    state_dir = Path(request["state_dir"])
    state_dir.mkdir(parents=True, exist_ok=True)
    drop = request.get("options", {}).get("staging_retention", "drop") == "drop"
    os.environ["LOAD__TRUNCATE_STAGING_DATASET"] = "true" if drop else "false"
    return dlt.pipeline(
        pipeline_name=_pipeline_name(request),
        destination=sink.destination,
        dataset_name=sink.dataset,
        pipelines_dir=str(state_dir),
    )


def _sink(request: Request) -> _Sink:
    target = request["sink"]
    dsn, namespace = target["dsn"], target.get("namespace", "")
    kept_names = {"naming_convention": NAMING, "enable_dataset_name_normalization": False}
    atomic = {"replace_strategy": "insert-from-staging"}
    if target["system"] in ("duckdb", "sqlite"):
        Path(dsn).parent.mkdir(parents=True, exist_ok=True)
    match target["system"]:
        case "postgres":
            return _Sink(
                dlt.destinations.postgres(_with_password(dsn), **kept_names, **atomic), namespace or "public"
            )
        case "duckdb":
            return _Sink(dlt.destinations.duckdb(dsn, **kept_names, **atomic), namespace or "main")
        case "sqlite":
            # Dataset "main" is the file itself; any other name would be a file of its own (dlt's docs).
            url = sqlalchemy.engine.URL.create("sqlite", database=dsn).render_as_string()
            return _Sink(dlt.destinations.sqlalchemy(url, **kept_names, **atomic), "main")
        case _:
            folder = Path(dsn)
            bucket, dataset = (folder, namespace) if namespace else (folder.parent, folder.name)
            return _Sink(dlt.destinations.filesystem(str(bucket), **kept_names), dataset)


def _with_password(dsn: str) -> str:
    """dlt refuses credentials without a password, also where the server trusts; it then goes unused."""
    url = sqlalchemy.engine.make_url(dsn)
    return url.set(password=url.password or "-", drivername="postgresql").render_as_string(
        hide_password=False
    )


def _pipeline_name(request: Request) -> str:
    """Stable per source and sink object, and a legal folder name whatever the objects are called."""
    parts = (
        identity(request["source"]),
        identity(request["sink"]),
        redact(request["sink"]["dsn"], request["sink"]["dsn"]),
    )
    return "certify_" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def resource_for(request: Request, *, first: bool) -> Any:
    """``sql_table`` for the request; it connects to reflect the table. ``first``: the sink has none yet."""
    source, strategy, options = request["source"], request["strategy"], request.get("options", {})
    url = sqlalchemy.engine.make_url(source["dsn"]).set(drivername="postgresql+psycopg2")
    table = sql_table(
        credentials=url.render_as_string(hide_password=False),
        table=source["name"],
        schema=source.get("namespace") or None,
        incremental=_incremental(request) if strategy in INCREMENTAL_STRATEGIES else None,
        # JSON as the server's text: of Python objects, mixed scalars do not fit one Arrow column.
        engine_kwargs={"json_deserializer": str},
        chunk_size=options.get("batch_rows", 50_000),
        backend=BACKEND,
        reflection_level="full",
        table_adapter_callback=remove_nullability_adapter,
        query_adapter_callback=_slice(options) if strategy in SLICED_STRATEGIES else None,
        write_disposition=_disposition(request),
        primary_key=list(request["primary_key"]) or None,
        merge_key=options["partition_column"] if strategy == "partition_replace" else None,
        table_loader_class=_SayWhenEmpty if first or strategy in SNAPSHOT_STRATEGIES else None,
    )
    table.apply_hints(table_name=request["sink"]["name"])
    if strategy == "scd2":
        table.add_map(add_row_hash_to_table(ROW_HASH))
    if strategy in SLICED_STRATEGIES:
        # With a primary key, delete-insert would delete by it too, outside the replaced partitions.
        table.apply_hints(primary_key=())
    return table


def _disposition(request: Request) -> Any:
    options = request.get("options", {})
    match request["strategy"]:
        case "full_refresh":
            return "replace"
        case "incremental_append":
            return "append"
        case "snapshot_diff":
            return {"disposition": "merge", "strategy": "cdc", "skip_unchanged_rows": True}
        case "scd2":
            return {"disposition": "merge", "strategy": "scd2", "row_version_column_name": ROW_HASH}
        case "replace":
            # A condition is SQL with destination names, in which braces would be placeholders.
            column = destination_name(options["partition_column"]).replace("{", "{{").replace("}", "}}")
            low = date.fromisoformat(options["partition_from"])
            high = date.fromisoformat(options["partition_to"])
            scope = f"\"{column}\" >= '{low}' AND \"{column}\" < '{high}'"
            return {"disposition": "merge", "strategy": "delete-insert", "destination_scope": scope}
        case _:
            return {"disposition": "merge", "strategy": "delete-insert"}


def _incremental(request: Request) -> Any:
    options = request.get("options", {})
    return dlt.sources.incremental(
        cursor_path=_json_path(request["cursor"]),
        on_cursor_value_missing=options.get("cursor_nulls", "include"),
        lag=options.get("lookback_seconds") or None,
    )


def destination_name(identifier: str) -> str:
    """What the naming convention makes of an identifier of the source."""
    return str(DirectNaming().normalize_identifier(identifier))


def _json_path(column: str) -> str:
    """A cursor is a JSONPath to dlt; its docs have special characters put in quotes."""
    return column if column.isidentifier() else f"'{column}'"


def _slice(options: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Restrict the extract to the requested half-open range of partitions."""

    def restrict(query: Any, table: Any) -> Any:
        column = table.c[options["partition_column"]]
        if low := options.get("partition_from"):
            query = query.where(column >= date.fromisoformat(low))
        if high := options.get("partition_to"):
            query = query.where(column < date.fromisoformat(high))
        return query

    return restrict


def contract(request: Request) -> dict[str, str]:
    """The schema contract: types are frozen when the load asks to stop at a type change."""
    stop = request.get("options", {}).get("on_type_change", "stop") == "stop"
    return {"tables": "evolve", "columns": "evolve", "data_type": "freeze" if stop else "evolve"}


def identity(end: dict[str, Any]) -> str:
    """``system:namespace.name``, the id that the run record carries."""
    return f"{end['system']}:{'.'.join(filter(None, (end.get('namespace', ''), end['name'])))}"
