"""A small engine that appends Parquet files and remembers where it was in its folder, one after the other.

Killed in between, it appends the same rows again. A file appears whole, under its final name. Run as a
script; it shares nothing with the project but the protocol.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("updated_at", pa.timestamp("us", "UTC")),
        ("business_date", pa.date32()),
        ("amount", pa.decimal128(38, 10)),
        ("note", pa.string()),
    ]
)


def load(request: dict[str, Any]) -> None:
    remembered = Path(request["state_dir"]) / "mark"
    mark = remembered.read_text() if remembered.exists() else "-infinity"
    source, names = request["source"], [field.name for field in SCHEMA]
    read = sql.SQL("SELECT {} FROM {} WHERE {} > %s").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(source["namespace"], source["name"]),
        sql.Identifier(request["cursor"]),
    )
    with psycopg.connect(source["dsn"], autocommit=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.execute(read, (mark,)).fetchall()
    if not rows:
        return
    columns = [pa.array([row[at] for row in rows], field.type) for at, field in enumerate(SCHEMA)]
    folder = Path(request["sink"]["dsn"]) / request["sink"]["namespace"] / request["sink"]["name"]
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{request['run_id']}"
    pq.write_table(pa.table(columns, schema=SCHEMA), hidden)
    hidden.replace(folder / f"part-{len(list(folder.glob('part-*')))}.parquet")
    time.sleep(0.3)  # who kills it by what it sees of the files is given the time to
    remembered.write_text(str(max(row[1] for row in rows)))


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "stop":
            return
        event: dict[str, Any] = {"type": "described", "protocol": "1", "engine": "files", "version": "1"}
        if request["type"] == "load":
            load(request)
            record = {"run_id": request["run_id"], "engine": "files", "engine_version": "1"}
            event = {"type": "result", "run_id": request["run_id"], "record": record}
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
