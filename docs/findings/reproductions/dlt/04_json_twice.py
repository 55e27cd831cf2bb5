# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "sqlalchemy==2.0.58",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
# ]
# ///
"""JSON loaded into SQLite from a Parquet load file is encoded twice."""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import json
import sqlite3

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
    "f",
    destination=dlt.destinations.sqlalchemy(f"sqlite:///{folder}/f.db"),
    dataset_name="main",
    pipelines_dir=folder,
)
pipeline.run(sql_table(engine, table="f", backend="pyarrow"), loader_file_format="parquet")
(text,) = sqlite3.connect(f"{folder}/f.db").execute("SELECT v FROM f").fetchone()
print("expected: a JSON object, {'a': 1}")
print("seen:", text)
if isinstance(json.loads(text), str):
    print("REPRODUCED: the document arrives as a JSON string that holds JSON")
    sys.exit(1)
print("NOT REPRODUCED")
