# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9"]
# ///
"""sling into SQLite: two loads of one table at once share one temporary table and one file: one or both fail.

Usage: uv run --script 18_sqlite_shared_temporary_table.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import psycopg

DSN = sys.argv[1]
PACKAGED = Path(sysconfig.get_paths()["purelib"]) / "sling_linux_amd64" / "bin" / "sling-linux-amd64"
ARGUMENTS = (
    "--src-conn",
    "DATABASE",
    "--src-stream",
    "s.t",
    "--tgt-conn",
    "FILE",
    "--tgt-object",
    "main.t",
    "--mode",
    "incremental",
    "--primary-key",
    "id",
    "--update-key",
    "updated_at",
)


def started(home: str, file: str) -> "subprocess.Popen[str]":
    """``sling run``, at work."""
    quiet = {"SLING_DISABLE_TELEMETRY": "TRUE", "SLING_HOME_DIR": home, "HOME": home}
    return subprocess.Popen(
        [os.environ.get("SLING_BINARY", str(PACKAGED)), "run", *ARGUMENTS],
        env={
            **quiet,
            "DATABASE": DSN + ("&" if "?" in DSN else "?") + "sslmode=disable",
            "FILE": f"sqlite://{file}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(load: "subprocess.Popen[str]") -> str:
    """What it said when it gave up; "loaded" when it did not."""
    said, _ = load.communicate()
    if load.returncode == 0:
        return "loaded"
    wrong = re.findall(
        r"database is locked|no such table: .*|did not find any columns for .*|table count .*mismatch", said
    )
    return wrong[0] if wrong else said.strip().splitlines()[-1]


with (
    psycopg.connect(DSN, autocommit=True) as db,
    tempfile.TemporaryDirectory() as one,
    tempfile.TemporaryDirectory() as two,
    tempfile.TemporaryDirectory() as target,
):
    file = f"{target}/t.db"
    db.execute("CREATE SCHEMA s")
    db.execute("CREATE TABLE s.rows (id int PRIMARY KEY, updated_at timestamptz)")
    # A slow source, so that the two are at work at the same time: 20 rows take two seconds.
    db.execute("CREATE VIEW s.t AS SELECT id, updated_at FROM s.rows WHERE (pg_sleep(0.1) IS NOT NULL)")
    db.execute(
        "INSERT INTO s.rows SELECT n, '2024-06-01'::timestamptz + n * interval '1 s'"
        " FROM generate_series(1, 20) n"
    )
    print("a load alone:", ended(started(one, file)))
    # Which of the two is refused, and with which words, is chance.
    for _ in range(5):
        db.execute("UPDATE s.rows SET updated_at = updated_at + interval '1 day'")
        loads = [started(one, file), started(two, file)]
        seen = sorted(ended(load) for load in loads)
        if seen not in (["loaded", "loaded"], ["database is locked", "loaded"]):
            break
print("expected: both are loaded, or one is refused because of the other")
print("seen:    ", seen)
if seen in (["loaded", "loaded"], ["database is locked", "loaded"]):
    print("NOT REPRODUCED")
    sys.exit(0)
print("REPRODUCED: they share main.t_tmp")
sys.exit(1)
