# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "pyiceberg==0.12.0",
#     "pyiceberg-core==0.11.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""Two runs that append to one Iceberg table at once: both commit the same version, and rows of one are gone.

Two pipelines, each with a folder of its own, and one dataset on a local disk. The first stands still before
its commit, the second ends well; then the first goes on. Needs no database: its argument is ignored.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import StaticTable

bucket = Path(tempfile.mkdtemp())
signs = Path(tempfile.mkdtemp())
ready, go_on = signs / "ready", signs / "go_on"
commit = SqlCatalog.commit_table


def stand_still(self, *given):
    ready.touch()
    wait_for(go_on)
    return commit(self, *given)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def load(name: str, number: int) -> None:
    pipeline = dlt.pipeline(
        name,
        destination=dlt.destinations.filesystem(bucket.as_uri()),
        dataset_name="d",
        pipelines_dir=tempfile.mkdtemp(),
    )
    rows = dlt.resource([pa.table({"id": [number]})], name="f", write_disposition="append")
    pipeline.run(rows, table_format="iceberg")


def started(name: str, number: int, still: bool = False) -> int:
    child = os.fork()
    if child:
        return child
    if still:
        SqlCatalog.commit_table = stand_still
    try:
        load(name, number)
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        print(f"  {type(error).__name__}: {error}".replace(str(bucket), "<bucket>"), flush=True)
        os._exit(2)
    os._exit(0)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


assert ended(started("first", 1)) == 0
slow = started("second", 2, still=True)
wait_for(ready)
fast = ended(started("third", 3))
go_on.touch()
codes = (ended(slow), fast)
files = sorted((bucket / "d" / "f" / "metadata").glob("*.metadata.json"))
last = [file for file in files if file.name[:5] == files[-1].name[:5]]
seen = [sorted(StaticTable.from_metadata(str(file)).scan().to_arrow()["id"].to_pylist()) for file in last]
print(f"the two runs ended with {codes}; expected one newest version with rows [1, 2, 3], or an error")
print(f"seen: {len(last)} metadata files of version {last[0].name[:5]}, with rows {seen}")
if codes == (0, 0) and len(last) > 1:
    print("REPRODUCED: both ended well, two files are the newest version, and neither holds all rows")
    sys.exit(1)
print("NOT REPRODUCED")
