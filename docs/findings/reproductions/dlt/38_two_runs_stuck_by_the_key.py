# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""Two runs of one pipeline at once leave it stuck by the unique key on dlt's own `_dlt_id`.

The first run stands still between the COMMIT of its rows and dlt's note of it; the second, of the same
pipeline in the same folder, takes the first one's job for broken off. Then the first goes on, and three
more runs follow.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
from dlt.common.storages.load_package import PackageStorage

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
folder = tempfile.mkdtemp()
signs = Path(tempfile.mkdtemp())
committed, go_on = signs / "committed", signs / "go_on"
noted = PackageStorage.save_pending_transition


def stand_still(self, load_id, job_file, *rest):
    if job_file.startswith("f."):
        committed.touch()
        wait_for(go_on)
    return noted(self, load_id, job_file, *rest)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def load() -> None:
    pipeline = dlt.pipeline(
        "f", destination=dlt.destinations.postgres(DATABASE), dataset_name="public", pipelines_dir=folder
    )
    pipeline.run([{"id": 1}, {"id": 2}], table_name="f", write_disposition="append")


def started(still: bool = False) -> int:
    child = os.fork()
    if child:
        return child
    if still:
        PackageStorage.save_pending_transition = stand_still
    try:
        load()
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        said = str(error).splitlines()[0].replace(folder, "<folder>")
        print(f"  {type(error).__name__}: {said}", flush=True)
        os._exit(2)
    os._exit(0)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


print(
    "expected: the second run is told that the pipeline is at work, and later ones end well; seen:",
    flush=True,
)
first = started(still=True)
wait_for(committed)
second = ended(started())
go_on.touch()
codes = (ended(first), second)
reruns = [ended(started()) for _ in range(3)]
with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT id FROM f ORDER BY id")
    loaded = [row[0] for row in cursor]
print(
    f"  the first run ended with {codes[0]}, the second with {codes[1]}, later ones with {reruns}; "
    f"rows {loaded}"
)
if not reruns.count(0):
    print("REPRODUCED: two runs at once leave a package that fails every later run")
    sys.exit(1)
print("NOT REPRODUCED")
