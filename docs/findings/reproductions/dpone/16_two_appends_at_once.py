# /// script
# requires-python = ">=3.11"
# dependencies = ["dpone[postgres]==0.88.0"]
# ///
"""Two appends to one table at the same time: every new row is there twice, and both runs succeed.

Takes the URL of an empty PostgreSQL database.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import dpone
import psycopg

URL = sys.argv[1]
FOLDER = Path(tempfile.mkdtemp())
PLAIN = {"lineage": {"enabled": False}, "schema_evolution": {"enabled": False}}
APPEND = {"mode": "incremental_append"}


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


if sys.argv[2:] == ["load"]:
    failed = run(APPEND, {"incremental_column": "at"}, PLAIN)
    sys.exit(said(failed) if failed else 0)

# Each INSERT into the target takes two seconds: the other run reads the mark before the first stores its own.
HOLD = """CREATE FUNCTION src.hold() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$"""
sql("CREATE SCHEMA src", "CREATE TABLE src.t (id bigint, at int)", "INSERT INTO src.t VALUES (1, 1), (2, 2)")
first = run(APPEND, {"incremental_column": "at"}, PLAIN)
hold = "CREATE TRIGGER hold BEFORE INSERT ON landing.t FOR EACH STATEMENT EXECUTE FUNCTION src.hold()"
sql("INSERT INTO src.t VALUES (3, 3)", HOLD, hold)
print("expected: landing.t has the rows 1, 2 and 3 once each, whether one run is refused or not")
loads = [
    subprocess.Popen([sys.executable, __file__, URL, "load"], stdout=subprocess.DEVNULL) for _ in range(2)
]
ended = [load.wait() for load in loads]
ids = [row[0] for row in sql("SELECT id FROM landing.t ORDER BY id")]
print(f"seen: {said(first)}, the two at once end with {ended}: landing.t has {ids}")
again = run(APPEND, {"incremental_column": "at"}, PLAIN)
print(f"seen: {said(again)} once more: landing.t has {sql('SELECT count(*) FROM landing.t')[0][0]} rows")
if ended == [0, 0] and ids == [1, 2, 3, 3]:
    print("REPRODUCED: both began at the same mark, and nothing keeps two runs apart")
    sys.exit(1)
print("NOT REPRODUCED")
