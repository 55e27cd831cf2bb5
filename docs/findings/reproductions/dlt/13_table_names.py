# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "duckdb==2.0.0",
#     "pyarrow==26.0.1",
# ]
# ///
"""Under the naming convention direct, documented to keep names, some table names cannot be loaded."""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt

pipeline = dlt.pipeline(
    "f",
    destination=dlt.destinations.duckdb(f"{tempfile.mkdtemp()}/f.duckdb", naming_convention="direct"),
    dataset_name="sink",
    pipelines_dir=tempfile.mkdtemp(),
)
print("expected: a table called 100%.done, as the source calls it")
try:
    pipeline.run([{"id": 1}], table_name="100%.done")
except BaseException as error:
    chain, cause = [], error
    while cause is not None:
        chain.append(f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}")
        cause = cause.__cause__ or cause.__context__
    print("seen:", *chain, sep="\n  ")
    if any("cannot contain the following characters" in link for link in chain):
        print("REPRODUCED: the name becomes part of a file name, which refuses it")
        sys.exit(1)
    raise
print("NOT REPRODUCED")
