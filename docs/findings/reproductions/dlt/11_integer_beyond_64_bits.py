# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "sqlalchemy==2.0.58",
#     "psycopg2-binary==2.9.13",
# ]
# ///
"""With backend and JSON parser as they come, one integer beyond 64 bits in a document stops the load."""

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


execute(
    "CREATE TABLE f (id bigint PRIMARY KEY, v jsonb)",
    "INSERT INTO f VALUES (1, '123456789012345678901234567890')",
)
pipeline = dlt.pipeline(
    "f", destination=dlt.destinations.postgres(database), dataset_name="sink", pipelines_dir=folder
)
print("expected: the document arrives")
try:
    pipeline.run(sql_table(engine, table="f"))
except BaseException as error:
    chain, cause = [], error
    while cause is not None:
        chain.append(f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}")
        cause = cause.__cause__ or cause.__context__
    print("seen:", *chain, sep="\n  ")
    if any("Integer exceeds 64-bit range" in link for link in chain):
        print("REPRODUCED: the default JSON parser refuses what PostgreSQL holds")
        sys.exit(1)
    raise
print("NOT REPRODUCED")
