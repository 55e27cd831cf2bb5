# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""An empty result makes no Delta table and empties none. Needs no database: any argument is ignored."""

import sys
import tempfile
from pathlib import Path

import krishiv

root = Path(tempfile.mkdtemp())
session = krishiv.Session.embedded()
empty = session.sql("SELECT 1 AS id WHERE 1 = 0").collect().batches()

krishiv.write_delta(str(root / "new"), empty, mode="overwrite")
there = (root / "new" / "_delta_log").is_dir()
print(f"an empty result to a new table: expected an empty table, seen {'one' if there else 'none'}")

rows = session.sql("SELECT 1 AS id UNION ALL SELECT 2 AS id").collect().batches()
krishiv.write_delta(str(root / "old"), rows, mode="overwrite")
krishiv.write_delta(str(root / "old"), empty, mode="overwrite")
left = krishiv.read_delta(session, str(root / "old")).num_rows()
print(f"overwrite of 2 rows with an empty result: expected 0 rows, seen {left}; no error")
if left or not there:
    print("REPRODUCED: write_delta of an empty result does nothing and reports success")
    sys.exit(1)
print("NOT REPRODUCED")
