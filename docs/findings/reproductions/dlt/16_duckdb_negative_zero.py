# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "duckdb==2.0.0",
# ]
# ///
"""A window function of DuckDB loses the sign of -0.0. Needs no database: any argument is ignored."""

import sys

import duckdb

duckdb.sql("CREATE TABLE s AS SELECT 1 AS id, '-0.0'::DOUBLE AS v")
numbered = "SELECT *, row_number() OVER (PARTITION BY id ORDER BY (SELECT NULL)) AS n FROM s"
query = f"SELECT v FROM ({numbered}) WHERE n = 1"
((seen,),) = duckdb.sql(query).fetchall()
print("expected: -0.0, as in", duckdb.sql("SELECT v FROM s").fetchall())
print("seen:", seen)
if str(seen) != "-0.0":
    print("REPRODUCED: -0.0 became 0.0; dlt de-duplicates what it merges with such a query")
    sys.exit(1)
print("NOT REPRODUCED")
