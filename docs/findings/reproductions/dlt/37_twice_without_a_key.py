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
"""A refresh without staging, or a partition's, that is interrupted after a COMMIT has every row twice.

Each case loads rows 1 and 2, then 1, 2 and 3 in a run that dies, or loses the server's answer to COMMIT, and
looks at the table after the first run that ended well: the next one, or that very run.
"""

import os
import sys
import tempfile

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
import pyarrow as pa
from dlt.common.storages.load_package import PackageStorage
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
TWICE = [1, 1, 2, 2, 3, 3]
CASES = (
    # how it replaces, how it is interrupted after the COMMIT
    ("truncate-and-insert", "killed"),
    ("truncate-and-insert", "cut"),
    ("merge by merge_key alone", "killed"),
    ("merge by merge_key alone", "cut"),
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


def load(dataset: str, folder: str, rows: int, strategy: str) -> None:
    merges = strategy.startswith("merge")
    replacing = {} if merges else {"replace_strategy": strategy}
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE, **replacing),
        dataset_name=dataset,
        pipelines_dir=folder,
    )
    numbers = dlt.resource(
        [pa.table({"id": list(range(1, rows + 1)), "day": ["monday"] * rows})],
        name="f",
        write_disposition="merge" if merges else "replace",
        merge_key="day" if merges else None,
    )
    pipeline.run(numbers, loader_file_format="parquet")


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


def rows_of(dataset: str) -> list[int]:
    with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {dataset}.f ORDER BY id")
        rows = [row[0] for row in cursor]
    connection.close()
    return rows


def interrupted(how: str, *given) -> None:
    (die_after_the_commit if how == "killed" else lose_the_answer)()
    load(*given)


wrong = 0
for number, (strategy, how) in enumerate(CASES):
    dataset, folder = f"case{number}", tempfile.mkdtemp()
    assert in_a_process(load, dataset, folder, 2, strategy) == 0
    ended = in_a_process(interrupted, how, dataset, folder, 3, strategy)
    assert ended == (137 if how == "killed" else 0), ended
    if ended:
        assert in_a_process(load, dataset, folder, 3, strategy) == 0
    seen = rows_of(dataset)
    first = "the rerun" if ended else "that very run, which ends well"
    print(f"{strategy}, {how} after COMMIT: expected ids [1, 2, 3] after {first}, seen {seen}", flush=True)
    wrong += seen == TWICE
if wrong == len(CASES):
    print("REPRODUCED: what was interrupted after a COMMIT is in the table twice")
    sys.exit(1)
print("NOT REPRODUCED")
