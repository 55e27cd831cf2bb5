# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "adbc-driver-postgresql==1.13.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""Two runs of one pipeline at once: one of them fails on files that the other has moved away.

The first run stands still with its package ready to be loaded; the second, of the same pipeline in the same
folder, finds the package, loads it and ends well. Then the first one goes on.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
from dlt.load.load import Load

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
folder = tempfile.mkdtemp()
signs = Path(tempfile.mkdtemp())
ready, go_on = signs / "ready", signs / "go_on"
initialize = Load.initialize_package


def stand_still(self, *given):
    ready.touch()
    wait_for(go_on)
    return initialize(self, *given)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def load() -> None:
    pipeline = dlt.pipeline(
        "f", destination=dlt.destinations.postgres(DATABASE), dataset_name="public", pipelines_dir=folder
    )
    pipeline.run([{"id": 1}, {"id": 2}], table_name="f", write_disposition="merge", primary_key="id")


def started(still: bool) -> int:
    child = os.fork()
    if child:
        return child
    if still:
        Load.initialize_package = stand_still
    try:
        load()
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        print(f"  {type(error).__name__}: {error}".replace(folder, "<folder>"), flush=True)
        os._exit(3 if isinstance(error, FileNotFoundError) else 2)
    os._exit(0)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


print("expected: the second run is told that the pipeline is at work, or both end well; seen:", flush=True)
first = started(still=True)
wait_for(ready)
second = ended(started(still=False))
go_on.touch()
codes = (ended(first), second)
with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT id FROM f ORDER BY id")
    loaded = [row[0] for row in cursor]
print(f"  the first run ended with {codes[0]}, the second with {codes[1]}; rows {loaded}")
if codes == (3, 0):
    print("REPRODUCED: nothing keeps two runs apart, and one fails with a FileNotFoundError")
    sys.exit(1)
print("NOT REPRODUCED")
