# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9"]
# ///
"""sling: a date becomes a midnight in UTC in SQLite, a local time an instant in UTC.

Usage: uv run --script 07_sqlite_time.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import os
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import psycopg

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
    db.execute("CREATE TABLE s.t (id int, d date, t timestamp)")
    db.execute("INSERT INTO s.t VALUES (1, '2024-05-27', '2024-05-27 12:30:00')")
    file = f"{folder}/t.sqlite"
    arguments = (
        "--src-stream",
        "s.t",
        "--tgt-conn",
        "LITE",
        "--tgt-object",
        "main.t",
        "--mode",
        "full-refresh",
    )
    print(sling(*arguments, LITE=f"sqlite://{file}"))
    seen = sqlite3.connect(file).execute("SELECT d, t FROM t").fetchone()
conclude(
    ("2024-05-27", "2024-05-27 12:30:00"), seen, "a time and a zone were added that the values never had"
)
