# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["meltanolabs-target-postgres==0.8.1", "psycopg[binary]==3.3.6"]
# ///
"""NULL in a column of objects becomes the JSON value null."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg

DSN = sys.argv[1]


def target(messages: str, **settings: str) -> None:
    """Feed the target Singer messages."""
    named = {f"TARGET_POSTGRES_{name.upper()}": value for name, value in settings.items()}
    url = "postgresql+psycopg://" + DSN.split("://", 1)[1]
    own = {"TARGET_POSTGRES_SQLALCHEMY_URL": url, "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "out"}
    ran = subprocess.run(
        [Path(sys.executable).parent / "target-postgres", "--config", "ENV"],
        input=messages,
        env={**os.environ, **own, **named},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"the target failed otherwise than expected: {ran.stderr[-800:]}")


def ask(query: str) -> list[tuple[object, ...]]:
    """Rows of the sink."""
    with psycopg.connect(DSN) as connection:
        return connection.execute(query).fetchall()


def stream(*records: str, **columns: object) -> str:
    """Singer messages of one stream ``t`` with an integer key ``id``; records are JSON as it is."""
    schema = {"type": "object", "properties": {"id": {"type": ["integer"]}, **columns}}
    first = json.dumps({"type": "SCHEMA", "stream": "t", "schema": schema, "key_properties": ["id"]})
    rest = (f'{{"type": "RECORD", "stream": "t", "record": {record}}}' for record in records)
    return "\n".join((first, *rest)) + "\n"


def verdict(expected: object, seen: object, words: str) -> None:
    """Print both, and end."""
    print("expected:", expected)
    print("seen:    ", seen)
    if seen == expected:
        print("NOT REPRODUCED")
        sys.exit(0)
    print("REPRODUCED:", words)
    sys.exit(1)


DOCUMENT = {"type": ["object", "null"]}
target(stream('{"id": 1, "document": null}', document=DOCUMENT))
seen = ask("SELECT document IS NULL FROM out.t")
verdict([(True,)], seen, "the column holds the JSON value null, not NULL")
