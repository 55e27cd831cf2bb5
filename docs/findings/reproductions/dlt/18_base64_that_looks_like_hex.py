# /// script
# requires-python = ">=3.11"
# dependencies = ["dlt==1.31.0", "duckdb==2.0.0"]
# ///
"""Base64 text that begins with 0x is taken for hexadecimal. Needs no database: any argument is ignored."""

import base64
import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import duckdb

file = f"{tempfile.mkdtemp()}/f.duckdb"
pipeline = dlt.pipeline(
    "f",
    destination=dlt.destinations.duckdb(file),
    dataset_name="sink",
    pipelines_dir=tempfile.mkdtemp(),
)
payload = base64.b64decode("0x00aabb")
rows = [{"id": 1, "v": base64.b64encode(payload).decode()}]
pipeline.run(rows, table_name="t", columns=[{"name": "v", "data_type": "binary"}])
((seen,),) = duckdb.connect(file, read_only=True).execute("SELECT v FROM sink.t").fetchall()
print("expected:", payload.hex())
print("seen:", bytes(seen).hex())
if bytes(seen) != payload:
    print("REPRODUCED: other bytes arrive, and nobody is told")
    sys.exit(1)
print("NOT REPRODUCED")
