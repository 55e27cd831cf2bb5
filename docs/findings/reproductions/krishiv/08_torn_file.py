# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""A refresh that is killed leaves neither the old table nor the new one. Needs no database.

The target holds one row; the refresh is killed as soon as the target is no longer that file.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 2_000_000
JOBS = {
    "submit_sql": """
import sys, krishiv
source = f"CREATE SOURCE src FROM parquet(path='{sys.argv[1]}');"
sink = f"CREATE SINK out FROM src INTO parquet(path='{sys.argv[2]}');"
krishiv.Session.embedded().submit_sql(f"{source} {sink}")
""",
    "write_parquet": """
import sys, krishiv
krishiv.Session.embedded().read_parquet(sys.argv[1]).write_parquet(sys.argv[2])
""",
}


def killed(job: str, source: Path, target: Path) -> str:
    """What is at the target after a kill at the first sight of a change."""
    pq.write_table(pa.table({"id": [1], "text": ["old"]}), target)
    before = target.stat()
    process = subprocess.Popen([sys.executable, "-c", job, str(source), str(target)])
    while process.poll() is None:
        now = target.stat()
        if (now.st_ino, now.st_size) != (before.st_ino, before.st_size):
            break
        time.sleep(0.0005)
    process.kill()
    process.wait()
    try:
        rows = pq.read_metadata(target).num_rows
    except pa.ArrowException:
        return f"torn: {target.stat().st_size} bytes that are no Parquet file"
    return {1: "the old row", ROWS: "all new rows"}.get(rows, f"torn: {rows} rows")


root = Path(tempfile.mkdtemp())
source = root / "in.parquet"
numbers = range(ROWS)
pq.write_table(pa.table({"id": pa.array(numbers), "text": [str(n) * 9 for n in numbers]}), source)
torn = 0
for name, job in JOBS.items():
    for number in range(2):
        seen = killed(job, source, root / f"{name}-{number}.parquet")
        print(f"{name}, killed: expected the old row or all new rows, seen {seen}")
        torn += seen.startswith("torn")
if torn:
    print(f"REPRODUCED: {torn} of 4 killed refreshes destroyed the table")
    sys.exit(1)
print("NOT REPRODUCED")
