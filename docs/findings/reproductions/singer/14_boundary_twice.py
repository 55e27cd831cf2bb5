# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["meltanolabs-tap-postgres==0.10.0"]
# ///
"""Rows at the bookmark come again with every sync, as documented: a target without a key keeps them twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg2

DSN = sys.argv[1]
Message = dict[str, object]


def run(*statements: str) -> None:
    """In the source, each committed."""
    connection = psycopg2.connect(DSN)
    connection.autocommit = True
    for statement in statements:
        connection.cursor().execute(statement)
    connection.close()


def tap(*arguments: str, **settings: str) -> str:
    """What the tap prints."""
    named = {f"TAP_POSTGRES_{name.upper()}": value for name, value in settings.items()}
    own = {"TAP_POSTGRES_SQLALCHEMY_URL": DSN, "TAP_POSTGRES_FILTER_SCHEMAS": '["public"]'}
    ran = subprocess.run(
        [Path(sys.executable).parent / "tap-postgres", "--config", "ENV", *arguments],
        env={**os.environ, **own, **named},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"the tap failed otherwise than expected: {ran.stderr[-800:]}")
    return ran.stdout


def synced(method: Message | None = None, state: object = None, **settings: str) -> list[Message]:
    """Every message of a sync of the one table, replicated by ``method``."""
    catalogue = json.loads(tap("--discover", **settings))
    for entry in catalogue["streams"][0]["metadata"]:
        entry["metadata"] |= {"selected": True} | ({} if entry["breadcrumb"] else method or {})
    catalogue["streams"][0] |= {name.replace("-", "_"): value for name, value in (method or {}).items()}
    with tempfile.TemporaryDirectory() as folder:
        catalog, bookmarks = Path(folder) / "catalog.json", Path(folder) / "state.json"
        catalog.write_text(json.dumps(catalogue))
        bookmarks.write_text(json.dumps(state))
        known = ("--state", str(bookmarks)) if state else ()
        said = tap("--catalog", str(catalog), *known, **settings)
    return [json.loads(line) for line in said.splitlines()]


def records(messages: list[Message]) -> list[Message]:
    """The rows among the messages."""
    return [message["record"] for message in messages if message["type"] == "RECORD"]  # type: ignore[misc]


def verdict(expected: object, seen: object, words: str) -> None:
    """Print both, and end."""
    print("expected:", expected)
    print("seen:    ", seen)
    if seen == expected:
        print("NOT REPRODUCED")
        sys.exit(0)
    print("REPRODUCED:", words)
    sys.exit(1)


INCREMENTAL: Message = {"replication-method": "INCREMENTAL", "replication-key": "at"}
run("CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz)", "INSERT INTO t VALUES (1, '2024-01-01')")
first = synced(INCREMENTAL)
state = [message["value"] for message in first if message["type"] == "STATE"][-1]
again = [row["id"] for row in records(synced(INCREMENTAL, state))]
run("INSERT INTO t VALUES (2, '2024-01-02')")
print("without the state:", [row["id"] for row in records(synced(INCREMENTAL))])
verdict([], again, "nothing changed, and the last row is delivered again")
