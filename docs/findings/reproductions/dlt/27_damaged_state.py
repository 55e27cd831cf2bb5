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
"""A damaged state file ends in an error of the codec: no word of state, and none of which file."""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
folder = Path(tempfile.mkdtemp())


def load() -> None:
    pipeline = dlt.pipeline(
        "f",
        destination=dlt.destinations.postgres(DATABASE),
        dataset_name="public",
        pipelines_dir=str(folder),
    )
    pipeline.run([{"id": 1}], table_name="f", write_disposition="replace")


load()
untold = 0
files = [*(folder / "f").glob("*.json"), *(folder / "f" / "schemas").glob("*.json")]
for file in files:
    kept = file.read_bytes()
    file.write_bytes(bytes([kept[0] ^ 0xFF]) + kept[1:])
    print(f"the first byte of {file.relative_to(folder)} is damaged; expected: an error that names it")
    try:
        load()
        print("  seen: no error")
    except BaseException as error:
        chain = [error]
        while chain[-1].__cause__ or chain[-1].__context__:
            chain.append(chain[-1].__cause__ or chain[-1].__context__)
        for link in chain:
            print(f"  seen: {type(link).__name__}: {str(link).splitlines()[0]}")
        untold += isinstance(chain[-1], UnicodeDecodeError) and file.name not in " ".join(map(str, chain))
    file.write_bytes(kept)
if untold:
    print("REPRODUCED: a damaged file is told as a UnicodeDecodeError that names no file")
    sys.exit(1)
print("NOT REPRODUCED")
