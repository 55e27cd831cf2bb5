# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "deltalake==1.6.6", "pyarrow==26.0.1"]
# ///
"""File statistics are compared as text: filters lose rows. Needs no database: any argument is ignored.

The log is first made readable (see 01): `format` is added, and `stats` made the string it must be.
"""

import json
import sys
import tempfile
from pathlib import Path

import deltalake
import krishiv
import pyarrow.dataset as ds

table = Path(tempfile.mkdtemp()) / "t"
frame = krishiv.Session.embedded().sql("SELECT CAST(value AS BIGINT) AS v FROM generate_series(1, 800)")
krishiv.write_delta(str(table), frame.collect().batches(), mode="overwrite")

log = table / "_delta_log" / f"{0:020}.json"
actions = [json.loads(line) for line in log.read_text().splitlines()]
for action in actions:
    if "metaData" in action:
        action["metaData"]["format"] = {"provider": "parquet", "options": {}}
    if "add" in action:
        stats = action["add"]["stats"]
        print(f"stats: expected a JSON string with numbers, seen {type(stats).__name__} {json.dumps(stats)}")
        action["add"] |= {
            "stats": stats if isinstance(stats, str) else json.dumps(stats),
            "partitionValues": {},
            "modificationTime": 0,
        }
log.write_text("".join(json.dumps(action) + "\n" for action in actions))

read = deltalake.DeltaTable(table).to_pyarrow_dataset()
everything = read.to_table().column("v").to_pylist()
expected = sum(value > 200 for value in everything)
try:
    seen = read.to_table(filter=ds.field("v") > 200).num_rows
except Exception as error:
    print(f"seen: {type(error).__name__}: {str(error).splitlines()[0]}")
    seen = -1
print(f"rows with v > 200: expected {expected}, seen {seen} of {len(everything)} rows")
if seen != expected:
    print("REPRODUCED: a reader that filters by the statistics loses rows")
    sys.exit(1)
print("NOT REPRODUCED")
