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
"""Two runs of one appending pipeline at once: rows are loaded twice, or no run ends well any more.

First the one run stands still at the end of its load job; the other, of the same pipeline in the same folder,
takes the job for one that was broken off, and runs it again. Then, of another pipeline, both normalize the
same package: the one that is first to move it away takes what the other has only begun to write.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
import pyarrow as pa
from dlt.common.storages.load_package import PackageStorage
from dlt.common.storages.load_storage import LoadStorage

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(0.05)


def stand_still(owner: type, name: str, sign: Path) -> None:
    """Before that function: say so, and go on when told."""
    function = getattr(owner, name)

    def waiting(self, *given, **named):
        setattr(owner, name, function)  # once
        sign.touch()
        wait_for(sign.with_suffix(".go"))
        return function(self, *given, **named)

    setattr(owner, name, waiting)


def load(folder: Path, ids: list[int]) -> None:
    pipeline = dlt.pipeline(
        folder.name,
        destination=dlt.destinations.postgres(DATABASE),
        dataset_name=folder.name,
        pipelines_dir=str(folder),
    )
    table = pa.table({"id": ids})
    pipeline.run([table], table_name="f", write_disposition="append", loader_file_format="parquet")


def started(folder: Path, ids: list[int], *still) -> int:
    child = os.fork()
    if child:
        return child
    if still:
        stand_still(*still)
    try:
        load(folder, ids)
    except BaseException as error:
        while error.__cause__ or error.__context__:
            error = error.__cause__ or error.__context__
        print(f"  {type(error).__name__}: {error}".replace(str(folder), "<folder>"), flush=True)
        os._exit(2)
    os._exit(0)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def loaded(folder: Path) -> list[int]:
    connection = psycopg2.connect(DATABASE)
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT id FROM "{folder.name}".f ORDER BY id')
        rows = [row[0] for row in cursor]
    connection.close()
    return rows


print(
    "both run the job; expected: ids [0, 1, 2], as the other run has only finished what was begun", flush=True
)
folder, sign = Path(tempfile.mkdtemp(prefix="pa")), Path(tempfile.mkdtemp()) / "one"
assert ended(started(folder, [0])) == 0
one = started(folder, [1, 2], PackageStorage, "save_pending_transition", sign)
wait_for(sign)
other = ended(started(folder, [1, 2]))
sign.with_suffix(".go").touch()
codes = (ended(one), other)
twice = loaded(folder)
print(f"  seen: the runs ended with {codes}, ids {twice}", flush=True)

print("both normalize the package; expected: a later run ends well", flush=True)
folder, signs = Path(tempfile.mkdtemp(prefix="pb")), Path(tempfile.mkdtemp())
assert ended(started(folder, [0])) == 0
one = started(folder, [1, 2], LoadStorage, "commit_new_load_package", signs / "one")
wait_for(signs / "one")
other = started(folder, [1, 2], PackageStorage, "save_schema", signs / "other")
wait_for(signs / "other")
(signs / "one.go").touch()
ended(one)
(signs / "other.go").touch()
ended(other)
print("  both are over; reruns:", flush=True)
reruns = [ended(started(folder, [1, 2])) for _ in range(3)]
print(f"  seen: {reruns.count(0)} of {len(reruns)} reruns ended well")
if twice == [0, 1, 1, 2, 2] and codes == (2, 0) and not reruns.count(0):
    print("REPRODUCED: nothing keeps two runs apart: rows twice, and a pipeline that is stuck")
    sys.exit(1)
print("NOT REPRODUCED")
