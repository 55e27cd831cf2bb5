# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
# ]
# ///
"""A run that dies while it writes dlt's state to a file system stops every later run.

The file comes into being under its own name and is empty then. The next run looks for its state at the
destination, with the folder that it had or with a new one. Needs no database: its argument is ignored.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient

write = FilesystemClient._write_to_json_file


def die_in_the_state(self, path, data):
    if "/_dlt_pipeline_state/" in str(path):
        Path(str(path).removeprefix("file://")).open("wb").close()  # as `write_text` does first
        os._exit(137)
    return write(self, path, data)


@dlt.resource(name="f", write_disposition="append")
def numbers(upto: int, at=dlt.sources.incremental("at")):  # noqa: B008
    yield [{"id": number, "at": number} for number in range(1, upto + 1)]


def load(bucket: Path, folder: str, upto: int, dies: bool = False) -> None:
    if dies:
        FilesystemClient._write_to_json_file = die_in_the_state
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.filesystem(bucket.as_uri()),
        dataset_name="d",
        pipelines_dir=folder,
    )
    pipeline.run(numbers(upto), loader_file_format="jsonl")


def in_a_process(*given) -> int:
    """Its exit code: an interruption ends the process, as SIGKILL would."""
    child = os.fork()
    if not child:
        try:
            load(*given)
        except BaseException as error:
            while error.__cause__ or error.__context__:
                error = error.__cause__ or error.__context__
            print(f"  the run failed: {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


print("expected: a later run takes the last state that is whole, and ends well; seen:", flush=True)
stuck = 0
for kept in (True, False):
    bucket, folder = Path(tempfile.mkdtemp()), tempfile.mkdtemp()
    assert in_a_process(bucket, folder, 2) == 0
    assert in_a_process(bucket, folder, 3, True) == 137
    reruns = [in_a_process(bucket, folder if kept else tempfile.mkdtemp(), 3) for _ in range(3)]
    print(f"  folder {'kept' if kept else 'lost'}: reruns ended with {reruns}", flush=True)
    stuck += not reruns.count(0)
if stuck:
    print("REPRODUCED: an empty file of state at the destination stops every later run")
    sys.exit(1)
print("NOT REPRODUCED")
