# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["target-duckdb==0.8.0", "duckdb==2.0.0"]
# ///
"""The first row of a batch is taken for a header and lost.

The PostgreSQL database goes unused.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb


def loaded(messages: str, query: str, **settings: object) -> tuple[list[tuple[object, ...]], str]:
    """What the target makes of these Singer messages, and the last it says on stderr when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        path, config = Path(folder) / "sink.duckdb", Path(folder) / "config.json"
        config.write_text(json.dumps({"path": str(path), "default_target_schema": "out", **settings}))
        ran = subprocess.run(
            [Path(sys.executable).parent / "target-duckdb", "--config", config],
            input=messages,
            capture_output=True,
            text=True,
            check=False,
        )
        with duckdb.connect(str(path)) as connection:
            return connection.execute(query).fetchall(), ran.stderr if ran.returncode else ""


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


STAMP = {"type": ["string", "null"], "format": "date-time"}
rows = [f'{{"id": {n}, "at": "2024-06-01T00:00:0{n}+00:00", "note": "row {n}"}}' for n in (1, 2, 3)]
messages = stream(*rows, at=STAMP, note={"type": ["string", "null"]})
seen, said = loaded(messages, "SELECT id FROM out.t ORDER BY id")
verdict(
    [(1,), (2,), (3,)], seen, "a row is missing, and the target ended with 0" if not said else said[-500:]
)
