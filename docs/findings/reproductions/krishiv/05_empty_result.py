# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""An empty result is not written: the old rows stay, silently. Needs no database: any argument is ignored."""

import sys
import tempfile
from pathlib import Path

import krishiv
import pyarrow.parquet as pq

root = Path(tempfile.mkdtemp())
session = krishiv.Session.embedded()
full = session.sql("SELECT 1 AS id UNION ALL SELECT 2 AS id")
empty = session.sql("SELECT 1 AS id WHERE 1 = 0")

empty.write_parquet(str(root / "new.parquet"))
there = (root / "new.parquet").exists()
print(f"an empty result to a new file: expected a file without rows, seen {'one' if there else 'none'}")

full.write_parquet(str(root / "old.parquet"))
empty.write_parquet(str(root / "old.parquet"))
left = pq.read_metadata(root / "old.parquet").num_rows
print(f"an empty result over a file of 2 rows: expected 0 rows, seen {left}; no error")
if left or not there:
    print("REPRODUCED: write_parquet of an empty result does nothing and reports success")
    sys.exit(1)
print("NOT REPRODUCED")
