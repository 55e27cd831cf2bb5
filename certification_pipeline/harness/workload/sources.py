"""Which writer puts tables into which source system. Explicit on purpose, as the scenarios are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from certification_pipeline.harness.workload.api_source import ApiSource
from certification_pipeline.harness.workload.parquet_source import ParquetSource
from certification_pipeline.harness.workload.postgres_source import PostgresSource
from certification_pipeline.harness.workload.source import SourceWriter

WRITERS: Mapping[str, Callable[[str, str, str], SourceWriter]] = MappingProxyType(
    {
        "api": ApiSource,
        "parquet": ParquetSource,
        "postgres": PostgresSource,
    }
)
"""System -> writer of (DSN, namespace, table). The systems whose catalogue entry has a ``source``."""


def open_source(system: str, dsn: str, namespace: str, table: str) -> SourceWriter:
    """The writer of that table; nothing is written yet. Raises ``LookupError`` for another system."""
    if system not in WRITERS:
        raise LookupError(f"no writer of source tables for {system}; there are: {', '.join(WRITERS)}")
    return WRITERS[system](dsn, namespace, table)
