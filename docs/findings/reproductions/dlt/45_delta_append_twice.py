# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "deltalake==1.6.6",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
# ]
# ///
"""An append into a Delta table that dies after the table's commit is repeated: rows twice.

The table has its commit when the process dies, and dlt has not noted its job as done, or the folder that
would say so is lost. Needs no database: its argument is ignored.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
from deltalake import DeltaTable
from dlt.destinations.impl.filesystem.filesystem import DeltaLoadFilesystemJob

TWICE = 7
committed = DeltaLoadFilesystemJob.run


def die_after_the_commit(self):
    committed(self)
    os._exit(137)


@dlt.resource(name="f", write_disposition="append", table_format="delta")
def numbers(upto: int, at=dlt.sources.incremental("at")):  # noqa: B008
    yield [{"id": number, "at": number} for number in range(1, upto + 1)]


def load(bucket: Path, folder: str, upto: int, dies: bool = False) -> None:
    if dies:
        DeltaLoadFilesystemJob.run = die_after_the_commit
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.filesystem(bucket.as_uri()),
        dataset_name="d",
        pipelines_dir=folder,
    )
    pipeline.run(numbers(upto))


def read(bucket: Path) -> None:
    ids = sorted(DeltaTable(str(bucket / "d" / "f")).to_pyarrow_table()["id"].to_pylist())
    print(ids, flush=True)
    if ids == [1, 2, 3, 3]:
        os._exit(TWICE)


def in_a_process(work, *given) -> int:
    """Its exit code: an interruption ends the process, as SIGKILL would. Delta's own threads bear no fork."""
    child = os.fork()
    if not child:
        try:
            work(*given)
        except BaseException as error:
            while error.__cause__ or error.__context__:
                error = error.__cause__ or error.__context__
            print(f"  the run failed: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


print("expected: rows 1, 2 and 3 once, whatever becomes of the folder; seen:", flush=True)
wrong = 0
for kept in (True, False):
    bucket, folder = Path(tempfile.mkdtemp()), tempfile.mkdtemp()
    assert in_a_process(load, bucket, folder, 2) == 0
    assert in_a_process(load, bucket, folder, 3, True) == 137
    again = folder if kept else tempfile.mkdtemp()
    reruns = [in_a_process(load, bucket, again, 3) for _ in range(2)]
    print(f"  folder {'kept' if kept else 'lost'}: reruns ended with {reruns}, ids ", end="", flush=True)
    wrong += in_a_process(read, bucket) == TWICE
if wrong == 2:
    print("REPRODUCED: an interrupted append into a Delta table is repeated, row 3 is there twice")
    sys.exit(1)
print("NOT REPRODUCED")
