# /// script
# requires-python = ">=3.11"
# dependencies = ["dpone[postgres]==0.88.0"]
# ///
"""Rows that arrive with the cursor value of the last row loaded are never loaded.

Takes the URL of an empty PostgreSQL database.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import dpone
import psycopg

URL = sys.argv[1]
FOLDER = Path(tempfile.mkdtemp())
PLAIN = {"lineage": {"enabled": False}, "schema_evolution": {"enabled": False}}


def run(strategy, source=None, options=None):
    """One dpone run from src.t to landing.t; None, or the exception."""
    with psycopg.connect(URL, autocommit=True) as found:
        info = found.info
        for schema in ("landing", "staging", "etl_state"):
            found.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        host = {"HOST": info.host, "PORT": str(info.port), "DATABASE": info.dbname, "USERNAME": info.user}
        for name, value in {**host, "PASSWORD": info.password or "-"}.items():
            os.environ[f"DPONE_CONN_PG_{name}"] = value
    pg = {"type": "postgres", "connection_type": "env", "connection_id": "pg"}
    vault = {"vault_mount_point": "unused", "vault_path": "unused"}
    sink = {
        "table": {"schema": "landing", "name": "t"},
        "staging": {"schema": "staging"},
        "strategy": strategy,
    }
    defaults = {
        "runtime": {"compatibility": {"legacy_runtime_connections": "explicit_only"}},
        "name": "p",
        "source": {**pg, "options": source or {}},
        "sink": {**pg, **sink, "options": options or {}},
        "state": {**pg, **vault, "table": {"schema": "etl_state", "name": "dpone_state"}},
    }
    manifest = {"kind": "dpone.batch.v1", "defaults": defaults, "schemas": {"src": {"tables": ["t"]}}}
    (FOLDER / "m.yaml").write_text(json.dumps(manifest))
    try:
        dpone.run(FOLDER / "m.yaml")
    except Exception as error:
        return error
    return None


def sql(*statements):
    """Run them; the rows of the last one."""
    with psycopg.connect(URL, autocommit=True) as database:
        for each in statements:
            cursor = database.execute(each)
        return cursor.fetchall() if cursor.description else []


def said(error):
    return " ".join(f"{type(error).__name__}: {error}".split())[:300] if error else "the run succeeds"


sql("CREATE SCHEMA src", "CREATE TABLE src.t (id bigint, at int)", "INSERT INTO src.t VALUES (1, 1), (2, 2)")
source = {"incremental_column": "at"}
print("expected: row 3, committed after the first run with the mark's own value, is loaded by the second")
first = run({"mode": "incremental_append"}, source, PLAIN)
sql("INSERT INTO src.t VALUES (3, 2)")
second = run({"mode": "incremental_append"}, source, PLAIN)
ids = [row[0] for row in sql("SELECT id FROM landing.t ORDER BY id")]
seen = f"{said(first)}, {said(second)}: landing.t has {ids}"
wrong = ids == [1, 2]
print(f"seen: {seen}")
if wrong:
    print("REPRODUCED: the next extract begins above the mark, and nothing reads the mark again")
    sys.exit(1)
print("NOT REPRODUCED")
