# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "deltalake==1.6.6", "pyarrow==26.0.1"]
# ///
"""delta-rs cannot open a Delta table of Krishiv's. Needs no database: any argument is ignored."""

import sys
import tempfile
from pathlib import Path

import deltalake
import krishiv

table = str(Path(tempfile.mkdtemp()) / "t")
frame = krishiv.Session.embedded().sql("SELECT 1 AS id UNION ALL SELECT 2 AS id")
krishiv.write_delta(table, frame.collect().batches(), mode="overwrite")

print("expected: deltalake opens the table and reads 2 rows")
try:
    seen = deltalake.DeltaTable(table).to_pyarrow_table().num_rows
except Exception as error:
    print(f"seen: {type(error).__name__}: {str(error).splitlines()[0]}")
    print("REPRODUCED: the metaData action has no `format`, which the Delta protocol requires")
    sys.exit(1)
print(f"seen: {seen} rows")
print("NOT REPRODUCED")
