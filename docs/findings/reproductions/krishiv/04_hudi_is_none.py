# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "hudi==0.5.0", "pyarrow==26.0.1"]
# ///
"""What Krishiv calls Hudi is no Hudi table. Needs no database: any argument is ignored."""

import sys
import tempfile
from pathlib import Path

import krishiv
from hudi import HudiTableBuilder

table = Path(tempfile.mkdtemp()) / "t"
session = krishiv.Session.embedded()
done = krishiv.write_hudi_upsert(session, str(table), "id", session.sql("SELECT 1 AS id, 'a' AS note"))

print(
    f"Krishiv says: {done.rows_inserted} row inserted at {done.instant}; its own reader sees "
    f"{krishiv.read_hudi(session, str(table)).num_rows()} row"
)
print("expected: hudi-rs opens the table and reads 1 row")
try:
    seen = sum(batch.num_rows for batch in HudiTableBuilder.from_base_uri(str(table)).build().read())
except Exception as error:
    print(f"seen: {type(error).__name__}: {str(error).splitlines()[0].replace(str(table), '<table>')}")
    files = sorted(file.relative_to(table).as_posix() for file in table.rglob("*") if file.is_file())
    print("files: " + ", ".join(files))
    print("REPRODUCED: no hoodie.properties, no instants in Hudi's form, no file groups")
    sys.exit(1)
print(f"seen: {seen} rows")
print("NOT REPRODUCED")
