"""dlt's own sources for a request: ``sql_table`` for PostgreSQL, ``rest_api_resources`` for a REST API.

Every choice is a documented feature; nothing works around dlt. Knows what is read, not where it goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import dlt  # type: ignore[import-not-found]
import sqlalchemy
from configuration import CONFIGURED  # type: ignore[import-not-found]
from dlt.sources.helpers.transform import add_row_hash_to_table  # type: ignore[import-not-found]
from dlt.sources.rest_api import rest_api_resources  # type: ignore[import-not-found]
from dlt.sources.sql_database import (  # type: ignore[import-not-found]
    TableLoader,
    remove_nullability_adapter,
    sql_table,
)
from dlt.sources.sql_database.arrow_helpers import (  # type: ignore[import-not-found]
    row_tuples_to_arrow,
)
from mapping import (  # type: ignore[import-not-found]
    INCREMENTAL_STRATEGIES,
    ROW_HASH,
    SLICED_STRATEGIES,
    SNAPSHOT_STRATEGIES,
    Request,
    disposition,
)

PER_PAGE = 1000

_DATA_TYPES: dict[str, dict[str, Any]] = {
    # The workload's logical types as dlt's (docs: general-usage/schema, data types).
    "bool": {"data_type": "bool"},
    "int16": {"data_type": "bigint"},
    "int32": {"data_type": "bigint"},
    "int64": {"data_type": "bigint"},
    "decimal": {"data_type": "decimal", "precision": 38, "scale": 10},
    "float64": {"data_type": "double"},
    "text": {"data_type": "text"},
    "date": {"data_type": "date"},
    "timestamp": {"data_type": "timestamp", "timezone": False},
    "timestamptz": {"data_type": "timestamp", "timezone": True},
    "bytes": {"data_type": "binary"},
    "uuid": {"data_type": "text"},
    # To dlt `json` is a dict or a list, and a document may be a bare scalar: it goes as JSON text.
    "json": {"data_type": "text"},
    "int_array": {"data_type": "json"},
    "text_array": {"data_type": "json"},
}


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
        if empty and CONFIGURED.arrow:
            yield row_tuples_to_arrow([], columns=self.columns, tz="UTC")
        elif empty:
            yield dlt.mark.materialize_table_schema()


def resource_for(request: Request, *, first: bool) -> Any:
    """The resource to extract. ``first``: the sink has no such table yet."""
    if request["source"]["system"] == "api":
        return _endpoint(request, first=first)
    return _table(request, first=first)


# --- SQL ------------------------------------------------------------------------------------------------


def _table(request: Request, *, first: bool) -> Any:
    """``sql_table`` for the request; it connects to reflect the table."""
    source, strategy, options = request["source"], request["strategy"], request.get("options", {})
    url = sqlalchemy.engine.make_url(source["dsn"]).set(drivername="postgresql+psycopg2")
    table = sql_table(
        credentials=url.render_as_string(hide_password=False),
        table=source["name"],
        schema=source.get("namespace") or None,
        incremental=_incremental(request) if strategy in INCREMENTAL_STRATEGIES else None,
        # JSON as the server's text: of Python objects, mixed scalars do not fit one Arrow column.
        engine_kwargs={"json_deserializer": str} if CONFIGURED.arrow else None,
        chunk_size=options.get("batch_rows", 50_000),
        backend=CONFIGURED.backend,
        reflection_level="full",
        table_adapter_callback=remove_nullability_adapter,
        query_adapter_callback=_slice(options) if strategy in SLICED_STRATEGIES else None,
        write_disposition=disposition(request),
        primary_key=list(request["primary_key"]) or None,
        merge_key=options["partition_column"] if strategy == "partition_replace" else None,
        table_loader_class=_SayWhenEmpty if first or strategy in SNAPSHOT_STRATEGIES else None,
    )
    table.apply_hints(table_name=request["sink"]["name"])
    if strategy == "scd2" and CONFIGURED.arrow:
        table.add_map(add_row_hash_to_table(ROW_HASH))
    if strategy in SLICED_STRATEGIES:
        # With a primary key, delete-insert would delete by it too, outside the replaced partitions.
        table.apply_hints(primary_key=())
    return table


def _incremental(request: Request) -> Any:
    options = request.get("options", {})
    return dlt.sources.incremental(
        cursor_path=_json_path(request["cursor"]),
        on_cursor_value_missing=options.get("cursor_nulls", "include"),
        lag=options.get("lookback_seconds") or None,
    )


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


# --- REST -----------------------------------------------------------------------------------------------


def _endpoint(request: Request, *, first: bool) -> Any:
    """One resource of the declarative ``rest_api`` source, with column hints for what JSON cannot say."""
    source, strategy = request["source"], request["strategy"]
    parts = urlsplit(source["dsn"])
    address = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    tenant = quote(source.get("namespace") or "", safe="")
    path = "/".join(quote(part, safe="") for part in (source.get("namespace"), source["name"]) if part)
    endpoint: dict[str, Any] = {
        "path": f"v1/{path}",
        "params": {"per_page": PER_PAGE},
        "paginator": _PAGINATORS[CONFIGURED.paginator],
        "data_selector": "data",
    }
    if strategy in INCREMENTAL_STRATEGIES:
        endpoint["incremental"] = {
            "cursor_path": _json_path(request["cursor"]),
            "start_param": "updated_since",
            "initial_value": "0001-01-01T00:00:00.000000Z",
            "on_cursor_value_missing": request.get("options", {}).get("cursor_nulls", "include"),
        }
    (resource,) = rest_api_resources(
        {
            "client": {
                "base_url": f"{address}/",
                "auth": {
                    "type": "oauth2_client_credentials",
                    "access_token_url": f"{address}/oauth/{tenant}/token",
                    "client_id": unquote(parts.username or ""),
                    "client_secret": unquote(parts.password or "-"),
                },
            },
            "resources": [
                {
                    "name": request["sink"]["name"],
                    "endpoint": endpoint,
                    "write_disposition": disposition(request),
                    "primary_key": list(request["primary_key"]) or None,
                    "columns": [
                        {"name": column["name"], **_DATA_TYPES[column["type"]]}
                        for column in request["columns"]
                    ],
                    "max_table_nesting": 0,
                    "processing_steps": [{"map": _documents_as_text(request)}],
                }
            ],
        }
    )
    return resource


def _documents_as_text(request: Request) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """JSON columns as JSON text: see ``_DATA_TYPES``."""
    names = [column["name"] for column in request["columns"] if column["type"] == "json"]

    def as_text(row: dict[str, Any]) -> dict[str, Any]:
        for name in names:
            if row.get(name) is not None:
                row[name] = json.dumps(row[name])
        return row

    return as_text


_PAGINATORS: dict[str, Any] = {
    "cursor": {"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"},
    "page_number": {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": "pages"},
    "header_link": "header_link",
}
