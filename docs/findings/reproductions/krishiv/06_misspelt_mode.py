# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""A misspelt write mode appends. Needs no database: any argument is ignored."""

import sys
import tempfile
from pathlib import Path

import krishiv

table = str(Path(tempfile.mkdtemp()) / "t")
session = krishiv.Session.embedded()
batches = session.sql("SELECT 1 AS id").collect().batches()
krishiv.write_delta(table, batches, mode="overwrite")

print("expected: write_delta(mode='overwrit') is refused")
try:
    krishiv.write_delta(table, batches, mode="overwrit")
except Exception as error:
    print(f"seen: {type(error).__name__}: {error}")
    print("NOT REPRODUCED")
    sys.exit(0)
print(f"seen: no error; the table has {krishiv.read_delta(session, table).num_rows()} rows")
print("REPRODUCED: an unknown mode is taken for append")
sys.exit(1)
