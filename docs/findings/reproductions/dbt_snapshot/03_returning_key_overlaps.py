# /// script
# requires-python = ">=3.11"
# dependencies = ["dbt-core==1.11.16", "dbt-postgres==1.11.0", "psycopg2-binary==2.9.13"]
# ///
"""dbt snapshot, timestamp: a key that comes back begins before its last version ended.

Usage: uv run --script 03_returning_key_overlaps.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg2

DSN = sys.argv[1]
PLACE = urlsplit(DSN)
DBT = Path(sys.executable).parent / "dbt"


def snapshot(**config: object) -> None:
    """One ``dbt snapshot`` of the table s.t into h.t."""
    settings = {"alias": "t", "unique_key": "id", "hard_deletes": "invalidate", **config}
    output = {
        "type": "postgres",
        "host": PLACE.hostname,
        "port": PLACE.port or 5432,
        "user": unquote(PLACE.username or ""),
        "password": "{{ env_var('DBT_ENV_SECRET_PASSWORD') }}",
        "dbname": PLACE.path.lstrip("/"),
        "schema": "h",
    }
    files = {
        "dbt_project.yml": {"name": "p", "version": "1.0.0", "profile": "p", "snapshot-paths": ["snapshots"]},
        "profiles.yml": {"p": {"target": "t", "outputs": {"t": output}}},
        "snapshots/s.yml": {
            "sources": [{"name": "s", "tables": [{"name": "t"}]}],
            "snapshots": [{"name": "t", "relation": "source('s', 't')", "config": settings}],
        },
    }
    quiet = {"DO_NOT_TRACK": "1", "DBT_ENV_SECRET_PASSWORD": unquote(PLACE.password or "")}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "snapshots").mkdir()
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content), encoding="utf-8")
        command = [DBT, "snapshot", "--project-dir", folder, "--profiles-dir", folder]
        subprocess.run(command, env={**os.environ, **quiet}, check=True)


def conclude(expected: object, seen: object, defect: str) -> None:
    """The last line and the exit status tell whether the defect showed."""
    print("expected:", expected)
    print("seen:    ", seen)
    if seen == expected:
        print("NOT REPRODUCED")
        sys.exit(0)
    print(f"REPRODUCED: {defect}")
    sys.exit(1)


db = psycopg2.connect(DSN)
db.autocommit = True
cursor = db.cursor()
cursor.execute("CREATE SCHEMA s")
cursor.execute("CREATE TABLE s.t (id int PRIMARY KEY, updated_at timestamp, v text)")
cursor.execute("INSERT INTO s.t VALUES (1, '2024-06-01', 'old'), (2, '2024-06-01', 'old')")
snapshot(strategy="timestamp", updated_at="updated_at")
cursor.execute("DELETE FROM s.t WHERE id = 1")
snapshot(strategy="timestamp", updated_at="updated_at")
cursor.execute("INSERT INTO s.t VALUES (1, '2024-06-02', 'new')")
snapshot(strategy="timestamp", updated_at="updated_at")
cursor.execute(
    "SELECT count(*) FROM h.t AS a JOIN h.t AS b ON a.id = b.id AND a.v = 'old' AND b.v = 'new' "
    "WHERE b.dbt_valid_from < a.dbt_valid_to"
)
(overlaps,) = cursor.fetchone()
conclude(0, overlaps, "at one instant two versions of the key are valid")
