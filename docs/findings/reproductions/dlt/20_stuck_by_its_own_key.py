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
"""A run that dies between the COMMIT of rows with a `_dlt_id` and dlt's note of it is stuck.

The row of `_dlt_pipeline_state` has one, in every load with something to remember; with rows as Python
objects, dlt's default, so have the user's own. Every rerun fails. Then the pending package is aborted, as
dlt's documentation has the operator do, and the pipeline runs again.
"""

import os
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

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
CASES = (
    # write disposition, load file, after whose COMMIT the run dies
    ("append", "parquet", "_dlt_pipeline_state"),
    ("merge", "parquet", "_dlt_pipeline_state"),
    ("append", "insert_values", "f"),
)
noted = PackageStorage.save_pending_transition


def die_after_commit_of(table: str) -> None:
    def save(self, load_id, job_file, *rest):
        if job_file.startswith(f"{table}."):
            os._exit(137)
        return noted(self, load_id, job_file, *rest)

    PackageStorage.save_pending_transition = save


def pipeline_of(dataset: str, folder: str):
    return dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE),
        dataset_name=dataset,
        pipelines_dir=folder,
    )


def load(dataset: str, folder: str, rows: int, kind: tuple[str, str], dies_after: str = "") -> None:
    disposition, files = kind

    @dlt.resource(name="f", write_disposition=disposition, primary_key="id")
    def numbers(at=dlt.sources.incremental("at")):  # noqa: B008
        ids = list(range(1, rows + 1))
        if files == "parquet":
            yield pa.table({"id": ids, "at": ids})
        else:
            yield [{"id": number, "at": number} for number in ids]

    if dies_after:
        die_after_commit_of(dies_after)
    pipeline_of(dataset, folder).run(numbers(), loader_file_format=files)


def abort(dataset: str, folder: str) -> None:
    pipeline_of(dataset, folder).abort_packages()  # `dlt pipeline f abort-packages`


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


def rows_of(dataset: str) -> list[list[int]]:
    told = []
    with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
        for join in ("", f"JOIN {dataset}._dlt_loads ON load_id = _dlt_load_id"):
            cursor.execute(f"SELECT id FROM {dataset}.f {join} ORDER BY id")
            told.append([row[0] for row in cursor])
    connection.close()
    return told


stuck = 0
for number, (disposition, files, table) in enumerate(CASES):
    dataset, folder = f"case{number}", tempfile.mkdtemp()
    kind = (disposition, files)
    print(f"{disposition}, {files}: the run dies after COMMIT of {table}; expected: a rerun ends well")
    assert in_a_process(load, dataset, folder, 2, kind) == 0
    assert in_a_process(load, dataset, folder, 3, kind, table) == 137
    reruns = [in_a_process(load, dataset, folder, 3, kind) for _ in range(3)]
    print(f"  seen: {reruns.count(0)} of {len(reruns)} reruns ended well")
    stuck += not reruns.count(0)
    aborted = in_a_process(abort, dataset, folder)
    after = [in_a_process(load, dataset, folder, 3, kind) for _ in range(2)]
    everything, complete = rows_of(dataset)
    print(
        f"  abort_packages ends with {aborted}, the runs after it with {after}: expected ids [1, 2, 3], "
        f"seen {everything}, of complete loads {complete}"
    )
if stuck == len(CASES):
    print("REPRODUCED: every rerun fails, by the unique key on dlt's own _dlt_id")
    sys.exit(1)
print("NOT REPRODUCED")
