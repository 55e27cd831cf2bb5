# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "adbc-driver-postgresql==1.13.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""An empty Parquet file cannot be loaded into PostgreSQL through ADBC, and the package stays pending."""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import pyarrow as pa

database = sys.argv[1].replace("postgres://", "postgresql://", 1)
pipeline = dlt.pipeline(
    "f",
    destination=dlt.destinations.postgres(database),
    dataset_name="public",
    pipelines_dir=tempfile.mkdtemp(),
)


@dlt.resource(name="f", primary_key="id", write_disposition="replace")
def empty():
    yield pa.table({"id": pa.array([], pa.int64())})


print("expected: a load without rows ends well and leaves an empty table")
try:
    pipeline.run(empty(), loader_file_format="parquet")
except BaseException as error:
    chain, cause = [], error
    while cause is not None:
        chain.append(f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}")
        cause = cause.__cause__ or cause.__context__
    print("seen:", *chain, sep="\n  ")
    if any("at least one RecordBatch" in link for link in chain):
        print("REPRODUCED: dlt fails to load an empty Parquet file")
        sys.exit(1)
    raise
print("NOT REPRODUCED")
