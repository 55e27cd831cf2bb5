# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9"]
# ///
"""sling: --where is ignored in incremental mode, without a word.

Usage: uv run --script 14_where_ignored.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
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


LOAD = ("--src-stream", "s.t", "--tgt-conn", "DATABASE", "--tgt-object", "d.t", "--mode", "incremental")
KEYS = ("--primary-key", "id", "--update-key", "updated_at", "--where", "id > 1")
with psycopg.connect(DSN, autocommit=True) as db:
    db.execute("CREATE SCHEMA s")
    db.execute("CREATE TABLE s.t (id int PRIMARY KEY, updated_at timestamptz)")
    db.execute("INSERT INTO s.t VALUES (1, '2024-06-01'), (2, '2024-06-02')")
    print(sling(*LOAD, *KEYS))
    seen = [key for (key,) in db.execute("SELECT id FROM d.t ORDER BY id")]
conclude([2], seen, "rows were loaded that the condition excludes")
