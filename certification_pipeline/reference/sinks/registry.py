"""Which sink serves which system; each is imported when it is first needed."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sinks.base import Sink

SYSTEMS = ("postgres", "duckdb", "sqlite", "parquet")


def open_sink(obj: DataObject) -> Sink:
    """The sink of that object; :class:`LoadError` ``unsupported`` for a system the engine does not know."""
    match obj.system:
        case "postgres":
            from certification_pipeline.reference.sinks.postgres import PostgresSink  # noqa: PLC0415

            return PostgresSink(obj)
        case "duckdb":
            from certification_pipeline.reference.sinks.duckdb import DuckDBSink  # noqa: PLC0415

            return DuckDBSink(obj)
        case "sqlite":
            from certification_pipeline.reference.sinks.sqlite import SQLiteSink  # noqa: PLC0415

            return SQLiteSink(obj)
        case "parquet":
            from certification_pipeline.reference.sinks.parquet import ParquetSink  # noqa: PLC0415

            return ParquetSink(obj)
    raise LoadError(
        FailureCategory.UNSUPPORTED, f"no sink for system {obj.system!r}; there are {', '.join(SYSTEMS)}"
    )
