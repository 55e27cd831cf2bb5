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
"""An append that is interrupted between its COMMIT and dlt's note of it is repeated: every row twice.

Each case loads rows 1 and 2, then row 3 under an interruption, and runs the pipeline again until nothing is
pending and a run finds nothing new. Told are all rows, and those whose load id `_dlt_loads` has, which is how
dlt's documentation has readers tell complete loads.
"""

import os
import shutil
import sys
import tempfile

os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="CRITICAL",
    NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID="true",
)

import dlt
import psycopg2
import pyarrow as pa
from dlt.common.storages.load_package import PackageStorage
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob
from dlt.destinations.job_client_impl import SqlJobClientBase

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
CASES = (
    # what is interrupted; how; whether the pipeline's folder is lost before the rerun
    ("killed after COMMIT, folder kept", "killed", False),
    ("killed after COMMIT, folder lost", "killed", True),
    ("connection lost after COMMIT", "cut", False),
    ("killed before the row in _dlt_loads, folder lost", "unlisted", True),
)
noted, copied = PackageStorage.save_pending_transition, PostgresParquetCopyJob.run


def die_before_noting(self, load_id, job_file, *rest):
    if job_file.startswith("f."):
        os._exit(137)
    return noted(self, load_id, job_file, *rest)


def lose_the_answer(self):
    copied(self)
    PostgresParquetCopyJob.run = copied  # once
    raise ConnectionResetError("the server committed, and its answer was lost")


def interrupt(how: str) -> None:
    if how == "killed":
        PackageStorage.save_pending_transition = die_before_noting
    elif how == "cut":
        PostgresParquetCopyJob.run = lose_the_answer
    elif how == "unlisted":
        SqlJobClientBase.complete_load = lambda self, load_id: os._exit(137)


@dlt.resource(name="f", write_disposition="append", primary_key="id")
def numbers(rows: int, at=dlt.sources.incremental("at")):  # noqa: B008
    ids = list(range(1, rows + 1))
    yield pa.table({"id": ids, "at": ids})


def load(dataset: str, folder: str, rows: int, how: str) -> None:
    interrupt(how)
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE),
        dataset_name=dataset,
        pipelines_dir=folder,
    )
    pipeline.run(numbers(rows), loader_file_format="parquet")


def in_a_process(work, *given) -> int:
    """Its exit code: an interruption ends the process, as SIGKILL would."""
    child = os.fork()
    if not child:
        try:
            work(*given)
        except BaseException as error:
            while error.__cause__ or error.__context__:
                error = error.__cause__ or error.__context__
            print(f"    the run failed: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


wrong = 0
for number, (case, how, lost) in enumerate(CASES):
    dataset, folder = f"case{number}", tempfile.mkdtemp()
    assert in_a_process(load, dataset, folder, 2, "") == 0
    ended = in_a_process(load, dataset, folder, 3, how)
    assert ended == (0 if how == "cut" else 137), ended
    if lost:
        shutil.rmtree(folder)
    assert in_a_process(load, dataset, folder, 3, "") == 0
    assert in_a_process(load, dataset, folder, 3, "") == 0
    with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {dataset}.f ORDER BY id")
        everything = [row[0] for row in cursor]
        cursor.execute(
            f"SELECT id FROM {dataset}.f JOIN {dataset}._dlt_loads ON load_id = _dlt_load_id ORDER BY id"
        )
        complete = [row[0] for row in cursor]
    connection.close()
    well = "the run ends well itself" if ended == 0 else "the reruns end well"
    print(f"{case}; {well}: expected ids [1, 2, 3], seen {everything}, of complete loads {complete}")
    wrong += everything == [1, 2, 3, 3]
if wrong == len(CASES):
    print("REPRODUCED: an interrupted append is repeated, row 3 is there twice")
    sys.exit(1)
print("NOT REPRODUCED")
