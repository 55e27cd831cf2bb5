# /// script
# requires-python = ">=3.11"
# dependencies = ["krishiv==0.1.0", "pyarrow==26.0.1"]
# ///
"""A first load that failed leaves a folder that `read_hudi` refuses. Needs no database.

The file size is limited, as a full disk would; then it is not, and what the table holds is read, as a job
does that wants to know what is new.
"""

import resource
import signal
import sys
import tempfile
from pathlib import Path

import krishiv
import pyarrow as pa
import pyarrow.parquet as pq

root = Path(tempfile.mkdtemp())
table = str(root / "t")
source = root / "in.parquet"
pq.write_table(pa.table({"id": list(range(1000)), "text": [f"{n * 7919:x}" for n in range(1000)]}), source)
session = krishiv.Session.embedded()
frame = session.read_parquet(str(source))


def tried(what: str, work) -> bool:
    try:
        told = work()
    except Exception as error:
        print(
            f"  {what}: {type(error).__name__}: {str(error).splitlines()[0]}".replace(str(root), "<folder>")
        )
        return False
    print(f"  {what}: {told}")
    return True


def upsert() -> str:
    return f"{krishiv.write_hudi_upsert(session, table, 'id', frame).snapshot_rows} rows"


def read() -> str:
    return f"{krishiv.read_hudi(session, table).num_rows()} rows"


signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print("expected: the failed upsert leaves no table, or one without rows; seen:")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (2048, most))
wrote = tried("the upsert with a full disk", upsert)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
readable = [tried("read_hudi afterwards", read) for _ in range(2)]
tried("an upsert that does not read the table first", upsert)
tried("read_hudi after that", read)
if not wrote and not any(readable):
    print("REPRODUCED: what a failed first upsert leaves is a table that Krishiv cannot read")
    sys.exit(1)
print("NOT REPRODUCED")
