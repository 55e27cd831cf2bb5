# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "pyiceberg==0.12.0",
#     "pyiceberg-core==0.11.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A new column stops every merge into an Iceberg table."""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import pyarrow as pa

folder = tempfile.mkdtemp()
pipeline = dlt.pipeline(
    "f",
    destination=dlt.destinations.filesystem(folder),
    dataset_name="sink",
    pipelines_dir=tempfile.mkdtemp(),
)
merge = {
    "table_name": "f",
    "table_format": "iceberg",
    "primary_key": "id",
    "write_disposition": {"disposition": "merge", "strategy": "upsert"},
}


def rows(**columns: list[object]) -> None:
    pipeline.run(pa.table(columns), **merge)


rows(id=[1, 2], v=["a", "b"])
print("expected: the table gets the new column, as dlt's schema evolution promises")
try:
    rows(id=[2, 3], v=["c", "d"], added=[1, 2])
except BaseException as error:
    chain, cause = [], error
    while cause is not None:
        chain.append(f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}")
        cause = cause.__cause__ or cause.__context__
    print("seen:", *chain, sep="\n  ")
    if any("field names are not matching" in link for link in chain):
        print("REPRODUCED: the merge fails, and the package stays pending")
        sys.exit(1)
    raise
print("NOT REPRODUCED")
