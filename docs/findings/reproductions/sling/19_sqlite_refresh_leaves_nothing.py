# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9"]
# ///
"""sling into SQLite: of two refreshes of one table at once one says that it loaded, and leaves no rows.

Usage: uv run --script 19_sqlite_refresh_leaves_nothing.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg

DSN = sys.argv[1]
ROUNDS = 20
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
    "full-refresh",
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


def rows(file: str, table: str) -> str:
    """How many are in a table, as a reader sees it."""
    with closing(sqlite3.connect(file)) as reader:
        try:
            return f"{reader.execute(f'SELECT count(*) FROM {table}').fetchone()[0]} rows"
        except sqlite3.OperationalError as error:
            return str(error)


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
    # The second makes its temporary table when the first has filled it. Whether the first holds a lock as it
    # is stopped, and is then in the other's way, is chance.
    for _ in range(ROUNDS):
        first = started(one, file)
        while first.poll() is None and rows(file, "t_tmp") != "20 rows":
            time.sleep(0.001)
        first.send_signal(signal.SIGSTOP)
        second = started(two, file)
        while second.poll() is None and rows(file, "t_tmp") == "20 rows":
            time.sleep(0.001)
        first.send_signal(signal.SIGCONT)
        said, there = [ended(first), ended(second)], rows(file, "t")
        print("  the two said", said, "and there are", there, flush=True)
        if said[0] == "loaded" and there != "20 rows":
            break
print("expected: whoever says that it loaded has: 20 rows")
print("seen:    ", said, there)
if there == "20 rows":
    print("NOT REPRODUCED")
    sys.exit(0)
print("REPRODUCED: a load ended well, and its table is not there or has no rows")
sys.exit(1)
