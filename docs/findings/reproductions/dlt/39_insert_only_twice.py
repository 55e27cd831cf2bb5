# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "duckdb==2.0.0",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "adbc-driver-postgresql==1.13.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A merge `insert-only` whose load is interrupted after the COMMIT of its rows in staging inserts them twice.

What the new run finds in staging it takes for two new rows. The first run brings rows 1 and 2, the second
a row 3.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import duckdb
import psycopg2
import pyarrow as pa
from dlt.common.storages.load_package import PackageStorage
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
CASES = (
    # destination, how the run is interrupted after the COMMIT
    ("postgres", "killed"),
    ("postgres", "cut"),
    ("duckdb", "killed"),
)
noted = PackageStorage.save_pending_transition


def die_after_the_commit() -> None:
    def save(self, load_id, job_file, *rest):
        if job_file.startswith("f.") and job_file.endswith(".parquet"):
            os._exit(137)
        return noted(self, load_id, job_file, *rest)

    PackageStorage.save_pending_transition = save


def lose_the_answer() -> None:
    ran = PostgresParquetCopyJob.run

    def run(self):
        ran(self)
        PostgresParquetCopyJob.run = ran  # once
        raise ConnectionResetError("the server committed, and its answer was lost")

    PostgresParquetCopyJob.run = run


def pipeline_of(kind: str, dataset: str, folder: str):
    file = str(Path(folder) / "d.duckdb")
    where = dlt.destinations.postgres(DATABASE) if kind == "postgres" else dlt.destinations.duckdb(file)
    return dlt.pipeline("f", destination=where, dataset_name=dataset, pipelines_dir=folder)


def load(kind: str, dataset: str, folder: str, rows: int, interrupted: str = "") -> None:
    if interrupted:
        (die_after_the_commit if interrupted == "killed" else lose_the_answer)()
    only_new = {"disposition": "merge", "strategy": "insert-only"}
    table = pa.table({"id": list(range(1, rows + 1)), "v": [rows] * rows})
    numbers = dlt.resource([table], name="f", write_disposition=only_new, primary_key="id")
    pipeline_of(kind, dataset, folder).run(numbers, loader_file_format="parquet")


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


def rows_of(kind: str, dataset: str, folder: str) -> list[tuple[int, int]]:
    query = f"SELECT id, v FROM {dataset}.f ORDER BY id"
    if kind == "duckdb":
        with duckdb.connect(str(Path(folder) / "d.duckdb"), read_only=True) as database:
            return database.execute(query).fetchall()
    with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = list(cursor)
    connection.close()
    return rows


wrong = 0
for number, (kind, how) in enumerate(CASES):
    place = (kind, f"case{number}", tempfile.mkdtemp())
    assert in_a_process(load, *place, 2) == 0
    ended = in_a_process(load, *place, 3, how)
    reruns = [in_a_process(load, *place, 3) for _ in range(2)]
    seen = [row[0] for row in rows_of(*place)]
    print(
        f"{kind}, {how} after COMMIT in staging: the run ended with {ended}, reruns with {reruns}", flush=True
    )
    print(f"  expected ids [1, 2, 3], seen {seen}", flush=True)
    wrong += seen == [1, 2, 3, 3] and reruns == [0, 0]
if wrong == len(CASES):
    print("REPRODUCED: new rows are inserted twice, and every later run leaves them")
    sys.exit(1)
print("NOT REPRODUCED")
