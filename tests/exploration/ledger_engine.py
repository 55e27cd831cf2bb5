"""A small engine that is right, and breaks badly in one way on demand: PostgreSQL to PostgreSQL by COPY.

Its mark stands in a table of the sink, beside the rows. Run as a script; it shares nothing with the project
but the protocol. The way it breaks is read from the file ``fault`` in its working directory before each load;
without the file, data and mark are one transaction, and it can be killed anywhere.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

Request = dict[str, Any]
Connection = psycopg.Connection[Any]


class Load:
    def __init__(self, request: Request, fault: str) -> None:
        self.request, self.fault = request, fault
        sink = request["sink"]
        self.target = sql.Identifier(sink["namespace"], sink["name"])
        self.marks = sql.Identifier(sink["namespace"], "marks")
        self.origin = sql.Identifier(request["source"]["namespace"], request["source"]["name"])
        self.names = sql.SQL(", ").join(sql.Identifier(column["name"]) for column in request["columns"])
        self.cursor = sql.Identifier(request["cursor"])

    def run(self) -> None:
        with (
            psycopg.connect(self.request["source"]["dsn"], autocommit=True) as source,
            psycopg.connect(self.request["sink"]["dsn"]) as sink,
        ):
            self.prepare(sink)
            if self.fault == "leaves_a_lock":
                self.lock(sink)
            if self.request["strategy"] == "full_refresh":
                self.replace(source, sink)
            else:
                self.append(source, sink)
            if self.fault == "leaves_a_lock":
                sink.execute(sql.SQL("DELETE FROM {} WHERE name = 'lock'").format(self.marks))
            sink.commit()

    def prepare(self, sink: Connection) -> None:
        """Only what is missing: a load into tables that are there commits nothing for them."""
        found = sink.execute("SELECT to_regclass(%s)", (self.target.as_string(),)).fetchone()
        if found and found[0]:
            sink.rollback()
            return
        schema = sql.Identifier(self.request["sink"]["namespace"])
        sink.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        types = {"int64": "bigint", "timestamptz": "timestamptz", "date": "date", "decimal": "numeric(38,10)"}
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(c["name"]), sql.SQL(types.get(c["type"], "text")))
            for c in self.request["columns"]
        )
        sink.execute(sql.SQL("CREATE TABLE {} ({})").format(self.target, columns))
        sink.execute(sql.SQL("CREATE TABLE {} (name text PRIMARY KEY, mark timestamptz)").format(self.marks))
        sink.commit()

    def lock(self, sink: Connection) -> None:
        try:
            sink.execute(sql.SQL("INSERT INTO {} VALUES ('lock', NULL)").format(self.marks))
        except psycopg.errors.UniqueViolation:
            raise RuntimeError("another load holds the target") from None
        sink.commit()

    def replace(self, source: Connection, sink: Connection) -> None:
        sink.execute(sql.SQL("DELETE FROM {}").format(self.target))
        if self.fault == "empties_first":
            sink.commit()
        self.copy(source, sink, None)

    def append(self, source: Connection, sink: Connection) -> None:
        mark = self.mark(sink)
        high = self.one(source, "SELECT max({}) FROM {}", self.cursor, self.origin)
        if self.fault == "mark_first":
            self.remember(sink, high)
            sink.commit()
        self.copy(source, sink, mark)
        if self.fault in ("rows_first", "mark_in_folder"):
            sink.commit()
        if self.fault != "mark_first":
            self.remember(sink, high)

    def copy(self, source: Connection, sink: Connection, mark: Any) -> None:
        where = sql.SQL("true") if mark is None else self.above(sink, mark)
        read = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT").format(self.names, self.origin, where)
        write = sql.SQL("COPY {} ({}) FROM STDIN").format(self.target, self.names)
        with source.cursor().copy(read) as out, sink.cursor().copy(write) as into:
            rows = [bytes(row) for row in out]
            for row in rows[1:] if self.fault == "drops_a_row" else rows:
                into.write(row)

    def above(self, sink: Connection, mark: Any) -> sql.Composed:
        """Rows beyond the mark, and those at it that are not there yet."""
        there = self.one(
            sink,
            f"SELECT array_agg({self.request['primary_key'][0]}) FROM {{}} WHERE {{}} = '{mark}'",
            self.target,
            self.cursor,
        )
        key = sql.Identifier(self.request["primary_key"][0])
        return sql.SQL("{0} > {1} OR ({0} = {1} AND {2} <> ALL({3}))").format(
            self.cursor, sql.Literal(mark), key, sql.Literal(there or [0])
        )

    def mark(self, sink: Connection) -> Any:
        if self.fault == "mark_in_folder":
            path = self.folder()
            return path.read_text() if path.exists() else None
        return self.one(sink, "SELECT max(mark) FROM {} WHERE name = 'mark'", self.marks)

    def remember(self, sink: Connection, high: Any) -> None:
        if self.fault == "mark_in_folder":
            self.folder().write_text(str(high))
            return
        sink.execute(
            sql.SQL("INSERT INTO {} VALUES ('mark', %s) ON CONFLICT (name) DO UPDATE SET mark = %s").format(
                self.marks
            ),
            (high, high),
        )

    def folder(self) -> Path:
        return Path(self.request["state_dir"]) / "mark"

    def one(self, connection: Connection, query: str, *names: sql.Identifier) -> Any:
        row = connection.execute(sql.SQL(query).format(*names)).fetchone()
        return row[0] if row else None


def answer(request: Request) -> dict[str, Any]:
    chosen = Path("fault")
    try:
        Load(request, chosen.read_text() if chosen.exists() else "").run()
    except (psycopg.Error, RuntimeError) as error:
        return {"type": "error", "run_id": request["run_id"], "category": "internal", "message": str(error)}
    record = {"run_id": request["run_id"], "engine": "ledger", "engine_version": "1"}
    return {"type": "result", "run_id": request["run_id"], "record": record}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "stop":
            return
        event: dict[str, Any] = {"type": "described", "protocol": "1", "engine": "ledger", "version": "1"}
        if request["type"] == "load":
            event = answer(request)
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
