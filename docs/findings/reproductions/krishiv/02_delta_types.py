# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""The schema in the Delta log is not that of the files. Needs no database: any argument is ignored."""

import datetime as dt
import json
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import krishiv
import pyarrow as pa
import pyarrow.parquet as pq

root = Path(tempfile.mkdtemp())
rows = pa.table(
    {
        "amount": pa.array([Decimal("1.5")], pa.decimal128(38, 10)),
        "numbers": pa.array([[1, 2]], pa.list_(pa.int64())),
        "payload": pa.array([b"\x00\xff"], pa.binary()),
        "local_time": pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us")),
    }
)
pq.write_table(rows, root / "in.parquet")
frame = krishiv.Session.embedded().read_parquet(str(root / "in.parquet"))
krishiv.write_delta(str(root / "t"), frame.collect().batches(), mode="overwrite")

wanted = {
    "amount": "decimal(38,10)",
    "numbers": {"type": "array", "elementType": "long", "containsNull": True},
    "payload": "binary",
    "local_time": "timestamp_ntz",
}
log = (root / "t" / "_delta_log" / f"{0:020}.json").read_text().splitlines()
(metadata,) = [json.loads(line)["metaData"] for line in log if "metaData" in line]
said = {field["name"]: field["type"] for field in json.loads(metadata["schemaString"])["fields"]}
stored = {field.name: str(field.type) for field in pq.read_schema(next((root / "t").glob("*.parquet")))}
for name, kind in wanted.items():
    print(f"{name}: expected {kind}, seen {said[name]}; the file has {stored[name]}")
if any(said[name] != kind for name, kind in wanted.items()):
    print("REPRODUCED: decimals, lists and bytes are declared as strings, local times as instants")
    sys.exit(1)
print("NOT REPRODUCED")
