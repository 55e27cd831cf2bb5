"""What this driver was told to be: one configuration of dlt, an engine of its own in the catalogue.

The catalogue's ``driver.config`` names what differs from the defaults below; each default is a documented
feature of dlt, chosen because it carries all our values (README.md says why).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import Any

from certify_driver import config  # type: ignore[import-not-found]

FILE_FORMAT_OF_SINK: dict[str, str] = {
    "postgres": "parquet",  # through ADBC: insert_values cannot carry NaN, csv no bytes
    "duckdb": "parquet",  # what dlt's DuckDB page suggests
    "sqlite": "parquet",
    "parquet": "parquet",
    "delta": "parquet",  # the only load file of table formats
    "iceberg": "parquet",
}

TABLE_FORMATS = ("delta", "iceberg")
"""Sinks that are a table format of the filesystem destination."""


@dataclass(frozen=True)
class Configuration:
    """See the module docstring."""

    engine: str = "dlt"
    """The id under which the catalogue has it."""
    replace_strategy: str = "insert-from-staging"
    """truncate-and-insert | insert-from-staging | staging-optimized"""
    merge_strategy: str = "delete-insert"
    """delete-insert | upsert | insert-only: what incremental_merge runs."""
    backend: str = "pyarrow"
    """``sql_table``'s Arrow backend: "preserves exact data types". The default one, ``sqlalchemy``, sends
    rows through JSON, which turns NaN into NULL or refuses it."""
    load_files: str = "parquet"
    """``parquet``, or ``default``: the load file that the destination prefers."""
    json_parser: str = "simplejson"
    """``orjson``, dlt's own choice, refuses integers beyond 64 bits, which JSON documents may hold."""
    paginator: str = "cursor"
    """How ``rest_api`` turns pages: cursor | page_number | header_link."""

    @property
    def arrow(self) -> bool:
        """Whether rows travel as Arrow tables, not as Python objects."""
        return self.backend == "pyarrow"

    def file_format(self, sink: str) -> str | None:
        """The load file; ``None``: what the destination prefers."""
        if sink in TABLE_FORMATS:
            return "parquet"
        return FILE_FORMAT_OF_SINK[sink] if self.load_files == "parquet" else None

    def merge(self, sink: str) -> str:
        """dlt's merge strategy; table formats know no delete-insert (docs: delta-iceberg)."""
        if sink in TABLE_FORMATS and self.merge_strategy == "delete-insert":
            return "upsert"
        return self.merge_strategy


def configured(given: dict[str, Any] | None = None) -> Configuration:
    """From ``CERTIFY_ENGINE_CONFIG`` unless given; raises ``ValueError`` for an unknown key."""
    chosen = config() if given is None else given
    if unknown := set(chosen) - {field.name for field in fields(Configuration)}:
        raise ValueError(f"driver.config: {', '.join(sorted(unknown))} means nothing to this driver")
    return Configuration(**chosen)


CONFIGURED = configured()
# dlt looks for it when it is first imported (docs: reference/performance, "Use built-in JSON parser").
os.environ["DLT_USE_JSON"] = CONFIGURED.json_parser
