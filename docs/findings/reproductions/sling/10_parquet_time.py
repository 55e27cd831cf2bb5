# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9", "pyarrow==26.0.1"]
# ///
"""sling: dates and local times become instants of nanoseconds in Parquet, and wrap after 2262.

Usage: uv run --script 10_parquet_time.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import psycopg
import pyarrow.parquet as pq

DSN = sys.argv[1]
PACKAGED = Path(sysconfig.get_paths()["purelib"]) / "sling_linux_amd64" / "bin" / "sling-linux-amd64"


def sling(*arguments: str, **connections: str) -> str:
    """What ``sling run`` prints; its exit status is the last line."""
    with tempfile.TemporaryDirectory() as home:
        quiet = {"SLING_DISABLE_TELEMETRY": "TRUE", "SLING_HOME_DIR": home, "HOME": home}
        database = DSN + ("&" if "?" in DSN else "?") + "sslmode=disable"
        done = subprocess.run(
            [os.environ.get("SLING_BINARY", str(PACKAGED)), "run", "--src-conn", "DATABASE", *arguments],
            env={**quiet, "DATABASE": database, **connections},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return f"{done.stdout}\nexit status {done.returncode}"


def conclude(expected: object, seen: object, defect: str) -> None:
    """The last line and the exit status tell whether the defect showed."""
    print("expected:", expected)
    print("seen:    ", seen)
    if seen == expected:
        print("NOT REPRODUCED")
        sys.exit(0)
    print(f"REPRODUCED: {defect}")
    sys.exit(1)


with psycopg.connect(DSN, autocommit=True) as db, tempfile.TemporaryDirectory() as folder:
    db.execute("CREATE SCHEMA s")
    db.execute("CREATE TABLE s.t (id int, d date, l timestamp, t timestamptz)")
    db.execute("INSERT INTO s.t VALUES (1, '2024-05-27', '2024-05-27 12:30:00', '9999-12-30 00:00:00+00')")
    file = f"{folder}/t.parquet"
    arguments = ("--tgt-conn", "LOCAL", "--tgt-object", f"file://{file}", "--mode", "full-refresh")
    print(sling("--src-stream", "s.t", *arguments))
    table = pq.read_table(file)
types = {name: str(table.schema.field(name).type) for name in ("d", "l")}
print("types:", types)
seen = (types["d"], "tz" in types["l"], table.column("t")[0].value > 0)
conclude(("date32[day]", False, True), seen, "other types, and 9999-12-30 is a day before 1970")
