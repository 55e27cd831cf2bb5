# /// script
# requires-python = ">=3.11"
# dependencies = ["dpone[postgres]==0.88.0"]
# ///
"""Under the defaults, two columns whose names differ only in case are refused.

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


sql(
    "CREATE SCHEMA src",
    'CREATE TABLE src.t (id bigint, "Order" int, "order" int)',
    "INSERT INTO src.t VALUES (1, 2, 3)",
)
print("expected: PostgreSQL tells the columns apart, and the run succeeds")
error = run({"mode": "full_refresh"})
seen = said(error)
wrong = "identifier_case_ambiguous" in seen
print(f"seen: {seen}")
if wrong:
    print("REPRODUCED: schema evolution takes them for one")
    sys.exit(1)
print("NOT REPRODUCED")
