# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9"]
# ///
"""sling: 0001-01-01, the zero of Go's time, becomes NULL without a word.

Usage: uv run --script 04_year_one_to_null.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import os
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


with psycopg.connect(DSN, autocommit=True) as db:
    db.execute("CREATE SCHEMA s")
    db.execute("CREATE TABLE s.t (id int, d date, t timestamp)")
    db.execute("INSERT INTO s.t VALUES (1, '0001-01-01', '0001-01-01 00:00:00')")
    db.execute("INSERT INTO s.t VALUES (2, '0001-01-02', '0001-01-01 00:00:01')")
    print(
        sling(
            "--src-stream", "s.t", "--tgt-conn", "DATABASE", "--tgt-object", "d.t", "--mode", "full-refresh"
        )
    )
    expected = db.execute("SELECT id, d::text, t::text FROM s.t ORDER BY id").fetchall()
    seen = db.execute("SELECT id, d::text, t::text FROM d.t ORDER BY id").fetchall()
conclude(expected, seen, "the first day of the calendar arrived as NULL")
