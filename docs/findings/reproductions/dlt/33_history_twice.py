# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "duckdb==2.0.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A history (`scd2`) whose load is interrupted after a COMMIT in staging has new versions twice.

Rows as Python objects, dlt's default. The first run brings rows 1 and 2, the second a changed row 2
and a row 3.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import duckdb
import psycopg2
from dlt.common.storages.load_package import PackageStorage
from dlt.destinations.insert_job_client import InsertValuesLoadJob

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
        if job_file.startswith("f.") and "insert_values" in job_file:
            os._exit(137)
        return noted(self, load_id, job_file, *rest)

    PackageStorage.save_pending_transition = save


def lose_the_answer() -> None:
    ran = InsertValuesLoadJob.run

    def run(self):
        ran(self)
        if Path(self._file_path).name.startswith("f."):
            InsertValuesLoadJob.run = ran  # once
            raise ConnectionResetError("the server committed, and its answer was lost")

    InsertValuesLoadJob.run = run


def load(kind: str, dataset: str, folder: str, rows: list[dict], interrupted: str = "") -> None:
    if interrupted:
        (die_after_the_commit if interrupted == "killed" else lose_the_answer)()
    file = str(Path(folder) / "d.duckdb")
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE)
        if kind == "postgres"
        else dlt.destinations.duckdb(file),
        dataset_name=dataset,
        pipelines_dir=folder,
    )
    history = {"disposition": "merge", "strategy": "scd2"}
    pipeline.run(rows, table_name="f", write_disposition=history)


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


def versions(kind: str, dataset: str, folder: str) -> list[tuple[int, str]]:
    """The versions that are open."""
    query = f"SELECT id, v FROM {dataset}.f WHERE _dlt_valid_to IS NULL ORDER BY id"
    if kind == "duckdb":
        with duckdb.connect(str(Path(folder) / "d.duckdb"), read_only=True) as database:
            return database.execute(query).fetchall()
    with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        rows = list(cursor)
    connection.close()
    return rows


OLD = [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]
NEW = [{"id": 1, "v": "a"}, {"id": 2, "v": "c"}, {"id": 3, "v": "d"}]
TWICE = [(1, "a"), (2, "c"), (2, "c"), (3, "d"), (3, "d")]
wrong = 0
for number, (kind, how) in enumerate(CASES):
    place = (kind, f"case{number}", tempfile.mkdtemp())
    assert in_a_process(load, *place, OLD) == 0
    ended = in_a_process(load, *place, NEW, how)
    reruns = [in_a_process(load, *place, NEW) for _ in range(2)]
    seen = versions(*place)
    print(
        f"{kind}, {how} after COMMIT in staging: the run ended with {ended}, reruns with {reruns}", flush=True
    )
    print(f"  open versions expected [(1, 'a'), (2, 'c'), (3, 'd')], seen {seen}", flush=True)
    wrong += seen == TWICE and reruns == [0, 0]
if wrong == len(CASES):
    print("REPRODUCED: new versions are in the history twice, and every later run leaves them")
    sys.exit(1)
print("NOT REPRODUCED")
