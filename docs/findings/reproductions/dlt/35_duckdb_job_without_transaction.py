# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "duckdb==2.0.0",
# ]
# ///
"""In DuckDB a replace, a merge and a history are no transaction: their first half stays.

The table gets a NOT NULL constraint, so that the INSERT of the second load fails, after the DELETE or UPDATE
of the same job. Needs no database server: its argument is ignored.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import duckdb

CASES = (
    ("replace (insert-from-staging)", "replace"),
    ("merge (delete-insert)", {"disposition": "merge", "strategy": "delete-insert"}),
    ("merge (scd2)", {"disposition": "merge", "strategy": "scd2"}),
)


def load(file: Path, rows: list[dict], disposition) -> str:
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.duckdb(str(file), replace_strategy="insert-from-staging"),
        dataset_name="d",
        pipelines_dir=str(file.parent),
    )
    try:
        pipeline.run(rows, table_name="f", write_disposition=disposition, primary_key="id")
    except Exception as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        return f"failed: {type(error).__name__}: {str(error).splitlines()[0]}"
    return "ended well"


def rows_of(file: Path, where: str) -> list[tuple]:
    with duckdb.connect(str(file)) as database:
        return database.execute(f"SELECT id, v FROM d.f {where} ORDER BY id").fetchall()


torn = 0
for number, (name, disposition) in enumerate(CASES):
    file = Path(tempfile.mkdtemp()) / f"case{number}.duckdb"
    open_ones = "WHERE _dlt_valid_to IS NULL" if "scd2" in name else ""
    assert load(file, [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}], disposition) == "ended well"
    with duckdb.connect(str(file)) as database:
        database.execute("ALTER TABLE d.f ALTER COLUMN v SET NOT NULL")
    before = rows_of(file, open_ones)
    ended = load(file, [{"id": 1, "v": "c"}, {"id": 2, "v": None}], disposition)
    after = rows_of(file, open_ones)
    print(f"{name}: the load {ended}")
    print(f"  expected {before} as before it, seen {after}")
    torn += ended != "ended well" and after != before
if torn == len(CASES):
    print("REPRODUCED: a load that failed has taken the old rows away and brought none")
    sys.exit(1)
print("NOT REPRODUCED")
