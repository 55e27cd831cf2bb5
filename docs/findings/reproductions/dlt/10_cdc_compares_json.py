# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "sqlalchemy==2.0.58",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "adbc-driver-postgresql==1.13.0",
# ]
# ///
"""The merge strategy cdc compares columns with IS DISTINCT FROM; through ADBC they are json, not jsonb."""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import sqlalchemy as sa
from dlt.sources.sql_database import sql_table

database = sys.argv[1].replace("postgres://", "postgresql://", 1)
engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg2://", 1))
folder = tempfile.mkdtemp()


def execute(*statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


execute("CREATE TABLE f (id bigint PRIMARY KEY, v jsonb)", """INSERT INTO f VALUES (1, '{"a": 1}')""")
pipeline = dlt.pipeline(
    "f", destination=dlt.destinations.postgres(database), dataset_name="sink", pipelines_dir=folder
)
snapshot = sql_table(
    engine,
    table="f",
    backend="pyarrow",
    primary_key="id",
    write_disposition={"disposition": "merge", "strategy": "cdc", "skip_unchanged_rows": True},
)
print("expected: a snapshot with a JSON column is merged")
try:
    pipeline.run(snapshot, loader_file_format="parquet")
except BaseException as error:
    chain, cause = [], error
    while cause is not None:
        chain.append(f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}")
        cause = cause.__cause__ or cause.__context__
    print("seen:", *chain, sep="\n  ")
    if any("operator does not exist: json = json" in link for link in chain):
        print("REPRODUCED: the column is json, which PostgreSQL cannot compare")
        sys.exit(1)
    raise
print("NOT REPRODUCED")
