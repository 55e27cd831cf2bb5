# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A run that dies while it deletes an extracted package it has normalized leaves the pipeline stuck.

The normalized package has been moved to where it is loaded from; then the extracted one is deleted, file by
file. The run dies before that, when `new_jobs` is gone, or when `schema.json` is gone.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2
from dlt.common.storages.load_package import PackageStorage

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
CASES = ("", "new_jobs", "schema.json")


def die_without(gone: str) -> None:
    def delete_package(self, load_id, not_exists_ok=False):
        package = Path(self.storage.make_full_path(self.get_package_path(load_id)))
        if package.parent.name != "extracted":
            return deleted(self, load_id, not_exists_ok)
        if gone == "new_jobs":
            shutil.rmtree(package / gone)
        elif gone:
            (package / gone).unlink()
        os._exit(137)

    deleted, PackageStorage.delete_package = PackageStorage.delete_package, delete_package


def pipeline_of(dataset: str, folder: str):
    return dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE),
        dataset_name=dataset,
        pipelines_dir=folder,
    )


def load(dataset: str, folder: str, number: int, dies_without: str | None = None) -> None:
    if dies_without is not None:
        die_without(dies_without)
    pipeline_of(dataset, folder).run([{"id": number}], table_name="f", write_disposition="append")


def abort(dataset: str, folder: str) -> None:
    pipeline_of(dataset, folder).abort_packages()  # `dlt pipeline f abort-packages`


def in_a_process(work, folder: str, *given) -> int:
    """Its exit code: an interruption ends the process, as SIGKILL would."""
    child = os.fork()
    if not child:
        try:
            work(given[0], folder, *given[1:])
        except BaseException as error:
            while error.__cause__ or error.__context__:
                error = error.__cause__ or error.__context__
            said = str(error).splitlines()[0].replace(folder, "<folder>")
            print(f"    the run failed: {type(error).__name__}: {said}", flush=True)
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def rows_of(dataset: str) -> list[int]:
    with psycopg2.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {dataset}.f ORDER BY id")
        rows = [row[0] for row in cursor]
    connection.close()
    return rows


stuck = 0
for number, gone in enumerate(CASES):
    dataset, folder = f"case{number}", tempfile.mkdtemp()
    told = f"when {gone} is gone" if gone else "before the first file"
    print(f"dies {told}; expected: a rerun ends well", flush=True)
    assert in_a_process(load, folder, dataset, 1) == 0
    assert in_a_process(load, folder, dataset, 2, gone) == 137
    reruns = [in_a_process(load, folder, dataset, 3) for _ in range(3)]
    print(
        f"  seen: {reruns.count(0)} of {len(reruns)} reruns ended well; rows {rows_of(dataset)}", flush=True
    )
    stuck += not reruns.count(0)
    aborted = in_a_process(abort, folder, dataset)
    after = in_a_process(load, folder, dataset, 4)
    print(
        f"  abort_packages ends with {aborted}, a run after it with {after}; rows {rows_of(dataset)}",
        flush=True,
    )
if stuck == len(CASES):
    print("REPRODUCED: every rerun fails, on the remains of a package that is normalized")
    sys.exit(1)
print("NOT REPRODUCED")
