# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""Two writers that append to one Delta table take the same version. Needs no database.

Two processes append rows of their own, one at a time, at the same moments; then Krishiv itself reads
the table.
"""

import multiprocessing
import sys
import tempfile
from pathlib import Path

import krishiv
import pyarrow as pa
import pyarrow.parquet as pq

ROUNDS = 20
ROWS = 1000


def batches_of(ids: list[int], file: Path):
    pq.write_table(pa.table({"id": ids}), file)
    return krishiv.Session.embedded().read_parquet(str(file)).collect().batches()


def append(writer: int, table: str, folder: str, start, told) -> None:
    written, errors = [], []
    for number in range(ROUNDS):
        ids = [writer * 1_000_000 + number * ROWS + row for row in range(ROWS)]
        batches = batches_of(ids, Path(folder) / f"{writer}-{number}.parquet")
        start.wait()
        try:
            krishiv.write_delta(table, batches, mode="append")
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}".replace(table, "<table>"))
        else:
            written.append(number)
        start.wait()
    told.put((writer, written, errors))


if __name__ == "__main__":
    processes = multiprocessing.get_context("spawn")
    table, folder = str(Path(tempfile.mkdtemp()) / "t"), tempfile.mkdtemp()
    krishiv.write_delta(table, batches_of([-1], Path(folder) / "first.parquet"), mode="overwrite")
    start, told = processes.Barrier(2), processes.Queue()
    children = [processes.Process(target=append, args=(n, table, folder, start, told)) for n in (1, 2)]
    for child in children:
        child.start()
    answers = [told.get(timeout=200) for _ in children]
    for child in children:
        child.join()
    ended_well = sum(len(written) for _, written, _ in answers)
    errors = sorted({error for _, _, said in answers for error in said})
    failed = sum(len(said) for _, _, said in answers)
    try:
        seen = krishiv.read_delta(krishiv.Session.embedded(), table).num_rows() - 1
    except Exception as error:
        seen = f"no table: {type(error).__name__}: {error}".replace(table, "<table>")
    versions = len(list((Path(table) / "_delta_log").glob("*.json"))) - 1
    print(f"{2 * ROUNDS} appends of {ROWS} rows: {ended_well} ended well, {failed} failed: {errors}")
    print(f"expected: {ended_well} versions with {ended_well * ROWS} rows; seen: {versions} with {seen}")
    if seen != ended_well * ROWS:
        print("REPRODUCED: two writers take one version, and rows of appends that ended well are gone")
        sys.exit(1)
    print("NOT REPRODUCED")
