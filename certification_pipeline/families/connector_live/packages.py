"""Which Python packages a connector may need: everything else is blocked when its engine is started.

Optional means: a package that some connector or some other engine brings along. What an engine cannot do
without at all is its core. Knows nothing of how packages are blocked.
"""

from __future__ import annotations

from collections.abc import Mapping

CORE: Mapping[str, frozenset[str]] = {
    # Rows travel as Arrow; PostgreSQL is the only source.
    "reference": frozenset({"pyarrow", "psycopg"}),
    # Its driver imports one environment for all destinations (driver.py, dependencies); dlt itself sqlglot.
    "dlt": frozenset(
        {
            *("pyarrow", "pandas", "numpy", "duckdb", "sqlalchemy", "psycopg2", "dlt", "sqlglot"),
            *("adbc_driver_postgresql", "adbc_driver_manager"),
        }
    ),
}

CLIENTS: Mapping[tuple[str, str], frozenset[str]] = {
    ("reference", "duckdb"): frozenset({"duckdb"}),
    # The files are merged by DuckDB, which reads and writes Parquet.
    ("reference", "parquet"): frozenset({"duckdb"}),
}

OPTIONAL = frozenset(
    {
        *("duckdb", "psycopg", "psycopg2", "adbc_driver_postgresql", "sqlalchemy", "pandas", "numpy"),
        *("dlt", "dagster", "dagster_webserver", "jinja2", "rich", "typer", "pytest", "sqlglot"),
    }
)


def allowed(engine: str, system: str) -> frozenset[str]:
    """What the connector may import, of all that is optional."""
    return CORE.get(engine, OPTIONAL) | CLIENTS.get((engine, system), frozenset())


def blocked(engine: str, system: str) -> frozenset[str]:
    """What must not be needed. Nothing is known of an engine that is not listed: then nothing is blocked."""
    return OPTIONAL - allowed(engine, system) if engine in CORE else frozenset({"dagster", "pytest"})
