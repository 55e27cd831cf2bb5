"""A small engine that is right, and wrong in one way on demand: PostgreSQL to PostgreSQL by COPY.

Run as a script; it shares nothing with the project but the protocol on its standard streams. The one
fault it has is read from the file ``fault`` in its working directory before each load; without
the file it is healthy.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

Request = dict[str, Any]
IMPATIENT_SECONDS = 1.0
LOADS: dict[str, int] = {}


class RefusedError(Exception):
    def __init__(self, category: str, message: str) -> None:
        super().__init__(message)
        self.category = category


class Copy:
    """One load."""

    def __init__(self, request: Request, fault: str) -> None:
        self.request, self.fault = request, fault
        self.begun = time.monotonic()
        self.strategy = request["strategy"]
        self.key = request["primary_key"]
        self.cursor = request["cursor"]
        self.source = self.connect(request["source"])
        self.sink = self.connect(request["sink"])
        self.read_from = sql.Identifier(request["source"]["namespace"], request["source"]["name"])
        self.write_to = sql.Identifier(request["sink"]["namespace"], request["sink"]["name"])

    def connect(self, place: Request) -> psycopg.Connection[Any]:
        try:
            connection = psycopg.connect(place["dsn"], connect_timeout=5)
        except psycopg.OperationalError as error:
            told = "authentication" if "authentication failed" in str(error) else "connectivity"
            raise RefusedError(told, str(error)) from None
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def columns(self, connection: psycopg.Connection[Any], table: sql.Identifier) -> dict[str, str]:
        found = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (table.as_string(),),
        )
        return {str(name): str(kind) for name, kind in found.fetchall()}

    def phase(self, name: str) -> None:
        say({"type": "phase", "run_id": self.request["run_id"], "phase": name})

    def run(self) -> dict[str, int]:
        if self.fault != "no_lock":
            self.sink.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (self.write_to.as_string(),))
        self.remember_load()
        self.phase("extract")
        self.sink.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(
                sql.Identifier(self.request["sink"]["namespace"])
            )
        )
        there = self.columns(self.sink, self.write_to)
        if self.fault == "truncate_first" and there:
            self.sink.execute(sql.SQL("DELETE FROM {}").format(self.write_to))
            self.sink.commit()
        columns = self.columns(self.source, self.read_from)
        if not columns:
            raise RefusedError("not_found", f"no table {self.read_from.as_string()}")
        staged = self.stage(columns, there)
        before = self.count(self.write_to) if there else 0
        if self.fault == "nothing_without_rows" and not staged:
            self.sink.rollback()
            return {"extracted_rows": 0, "loaded_rows": 0, "final_rows": 0}
        if self.fault == "no_lock" and there:
            time.sleep(0.5)  # whoever is beside us has read what is there by now, too
        if self.fault == "impatient" and time.monotonic() - self.begun > IMPATIENT_SECONDS:
            raise RefusedError("internal", "this takes too long")
        loaded = self.put(there)
        after = self.count(self.write_to)
        self.sink.commit()
        return {
            "extracted_rows": staged,
            "loaded_rows": loaded,
            "final_rows": after,
            "inserted_rows": loaded if self.strategy == "full_refresh" else after - before,
            "updated_rows": 0 if self.strategy == "full_refresh" else loaded - (after - before),
            "deleted_rows": 0,
            "peak_memory_bytes": 2 << 30 if self.fault == "hungry" else 1 << 20,
        }

    # --- reading --------------------------------------------------------------------------------------

    def stage(self, columns: dict[str, str], there: dict[str, str]) -> int:
        """Copy what is selected into a temporary table of the sink; returns its rows."""
        self.names = {name: self.sink_name(name) for name in columns}
        self.types = {self.names[name]: self.sink_type(kind) for name, kind in columns.items()}
        if self.fault == "no_evolution" and there:
            columns = {name: kind for name, kind in columns.items() if name in there}
            self.types = {name: self.types[name] for name in columns}
        self.evolve(there)
        self.sink.execute(
            sql.SQL("CREATE TEMP TABLE stage ON COMMIT DROP AS SELECT {} WHERE false").format(
                sql.SQL(", ").join(
                    sql.SQL("NULL::{} AS {}").format(sql.SQL(kind), sql.Identifier(name))
                    for name, kind in self.types.items()
                )
            )
        )
        read = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY {}) TO STDOUT").format(
            sql.SQL(", ").join(self.expression(name, kind) for name, kind in columns.items()),
            self.read_from,
            self.selected(there),
            sql.Identifier(self.key[0]),
        )
        rows = self.read(read)
        self.phase("load")
        if self.fault == "drop_last_row":
            rows = rows[:-1]
        if self.fault == "duplicate_row":
            rows = rows[:1] + rows
        with self.sink.cursor() as put, put.copy("COPY stage FROM STDIN") as into:
            for row in rows:
                into.write(row)
        return len(rows)

    def read(self, query: sql.Composable) -> list[bytes]:
        rows: list[bytes] = []
        try:
            with self.source.cursor() as cursor, cursor.copy(query) as out:
                rows += (bytes(row) for row in out)
        except psycopg.OperationalError:
            if self.fault != "end_of_stream_is_end_of_rows":
                raise
        return rows

    def selected(self, there: dict[str, str]) -> sql.Composable:
        if self.strategy == "xmin" and self.fault == "highest_seen" and there:
            path = Path(self.request["state_dir"]) / "highest"
            seen = int(path.read_text()) if path.exists() else 0
            self.remember(path)
            return sql.SQL("xmin::text::bigint > {}").format(sql.Literal(seen))
        if self.strategy == "xmin":
            self.remember(Path(self.request["state_dir"]) / "highest")
        if self.fault in ("early_mark", "no_mark_means_now") and not there:
            self.mark()
        if not self.strategy.startswith("incremental") or not there:
            swallow = self.fault == "swallow_null_cursor"
            where = "{} IS NOT NULL" if swallow else "true"
            return sql.SQL(where).format(sql.Identifier(self.cursor))
        cursor = sql.Identifier(self.cursor)
        if self.fault in ("early_mark", "no_mark_means_now"):
            return sql.SQL("({0} >= {1}::timestamptz OR {0} IS NULL)").format(
                cursor, sql.Literal(self.mark())
            )
        mark = self.sink.execute(sql.SQL("SELECT max({}) FROM {}").format(cursor, self.write_to)).fetchone()
        above = ">" if self.fault == "lose_ties" else ">="
        nulls = "" if self.fault == "swallow_null_cursor" else " OR {0} IS NULL"
        if self.fault == "forgets" and not (Path(self.request["state_dir"]) / "seen").exists():
            return sql.SQL("true")
        return sql.SQL("{0} " + above + " {1}" + nulls).format(cursor, sql.Literal(mark[0] if mark else None))

    def remember_load(self) -> None:
        """How many loads there were, in the folder and in memory; a right engine makes nothing of it."""
        path, name = Path(self.request["state_dir"]) / "loads", self.write_to.as_string()
        told = path.read_bytes() if path.exists() else b"0"
        if self.fault == "counts_loads" and told != str(LOADS.get(name, 0)).encode():
            raise RefusedError("internal", "this is not my state")
        clock = path.with_name("clock")
        if self.fault == "trusts_the_clock" and clock.exists() and float(clock.read_text()) > time.time():
            raise RefusedError("internal", "the last load was in the future")
        clock.write_text(str(time.time()))
        LOADS[name] = LOADS.get(name, 0) + 1
        path.write_text(str(LOADS[name]))

    def mark(self) -> str:
        """Where this load begins; where the next one will is written before a row has moved."""
        path = Path(self.request["state_dir"]) / "mark"
        before = path.read_text() if path.exists() else "-infinity"
        if self.fault == "no_mark_means_now" and not path.exists():
            before = "infinity"
        query = sql.SQL("SELECT max({})::text FROM {}").format(sql.Identifier(self.cursor), self.read_from)
        found = self.source.execute(query).fetchone()
        path.write_text(str(found[0]) if found else before)
        return before

    def remember(self, path: Path) -> None:
        found = self.source.execute(
            sql.SQL("SELECT max(xmin::text::bigint) FROM {}").format(self.read_from)
        ).fetchone()
        path.write_text(str(found[0] if found else 0))

    def expression(self, name: str, kind: str) -> sql.Composable:
        column: sql.Composable = sql.Identifier(name)
        if self.fault == "neighbour" and name in ("c400", "c415"):  # two of one type
            column = sql.Identifier("c415" if name == "c400" else "c400")
        if self.fault == "cuts_decimals" and kind.startswith("numeric"):
            column = sql.SQL("trunc({}, 2)::numeric(38,10)").format(column)
        if self.fault == "nulls_as_empty" and kind == "text":
            column = sql.SQL("coalesce({}, '')").format(column)
        if self.fault == "wraps" and kind == "bigint" and name != self.key[0]:
            column = sql.SQL("({} % 1000000)").format(column)
        return column

    # --- the schema -----------------------------------------------------------------------------------

    def sink_name(self, name: str) -> str:
        if self.fault == "tidy_names":
            return re.sub(r"\W", "_", name.strip())[:63]
        return name

    def sink_type(self, kind: str) -> str:
        return "text" if self.fault == "text_columns" else kind

    def evolve(self, there: dict[str, str]) -> None:
        """Bring the target up to the source: add and widen, never take away."""
        if not there or self.strategy == "full_refresh":
            return
        for name, kind in self.types.items():
            if name not in there:
                self.alter("ADD COLUMN {} {}", name, kind)
            elif (there[name], kind) == ("integer", "bigint") or (
                self.fault == "narrows" and there[name] != kind
            ):
                self.alter("ALTER COLUMN {} TYPE {}", name, kind)
            elif there[name] != kind:
                if self.strategy == "incremental_append" and self.fault != "does_not_stop":
                    raise RefusedError("schema", f"column {name} became {kind}")
                self.types[name] = there[name]
        if self.fault == "drops":
            for name in set(there) - set(self.types):
                self.alter("DROP COLUMN {}", name, "")

    def alter(self, clause: str, name: str, kind: str) -> None:
        statement = sql.SQL("ALTER TABLE {} " + clause)
        self.sink.execute(statement.format(self.write_to, sql.Identifier(name), sql.SQL(kind)))

    # --- writing --------------------------------------------------------------------------------------

    def put(self, there: dict[str, str]) -> int:
        whole = self.strategy == "full_refresh" and self.fault != "ignore_deletes"
        if whole or not there:
            self.sink.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self.write_to))
            self.sink.execute(sql.SQL("CREATE TABLE {} AS SELECT * FROM stage").format(self.write_to))
            (Path(self.request["state_dir"]) / "seen").write_text("")
            return self.count(self.write_to)
        names = sql.SQL(", ").join(map(sql.Identifier, self.types))
        key, cursor = sql.Identifier(self.key[0]), sql.Identifier(self.cursor)
        same = sql.SQL("t.{0} = s.{0}").format(key)
        if self.strategy == "incremental_append":
            same = sql.SQL("t.{0} = s.{0} AND t.{1} IS NOT DISTINCT FROM s.{1}").format(key, cursor)
        if self.strategy != "incremental_append" and self.fault not in ("stale_update", "forgets"):
            if self.fault == "keeps_old_values":
                return self.update(same)
            self.sink.execute(
                sql.SQL("DELETE FROM {} AS t USING stage AS s WHERE {}").format(self.write_to, same)
            )
        again = "true" if self.fault == "forgets" else "NOT EXISTS (SELECT 1 FROM {1} AS t WHERE {2})"
        return self.sink.execute(
            sql.SQL("INSERT INTO {1} ({0}) SELECT {0} FROM stage AS s WHERE " + again).format(
                names, self.write_to, same
            )
        ).rowcount

    def update(self, same: sql.Composable) -> int:
        """A merge that knows nothing of a column the source no longer has."""
        sets = sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(n)) for n in self.types)
        changed = self.sink.execute(
            sql.SQL("UPDATE {} AS t SET {} FROM stage AS s WHERE {}").format(self.write_to, sets, same)
        ).rowcount
        names = sql.SQL(", ").join(map(sql.Identifier, self.types))
        return (
            changed
            + self.sink.execute(
                sql.SQL(
                    "INSERT INTO {1} ({0}) SELECT {0} FROM stage AS s "
                    "WHERE NOT EXISTS (SELECT 1 FROM {1} AS t WHERE {2})"
                ).format(names, self.write_to, same)
            ).rowcount
        )

    def count(self, table: sql.Identifier) -> int:
        found = self.sink.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
        return int(found[0]) if found else 0


def answer(request: Request, fault: str) -> dict[str, Any]:
    run_id = request["run_id"]
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    who = {"run_id": run_id, "engine": "copy", "engine_version": "1", "started_at": started}
    try:
        copy = Copy(request, fault)
        try:
            record = copy.run()
        finally:
            copy.source.close()
            copy.sink.close()
    except psycopg.Error as error:
        told = "internal" if fault == "wrong_category" else category(error)
        return {"type": "error", "run_id": run_id, "category": told, "message": str(error)}
    except RefusedError as error:
        told = "internal" if fault == "wrong_category" else error.category
        message = f"{error} ({request['source']['dsn']})" if fault == "tells_the_secret" else "refused"
        return {"type": "error", "run_id": run_id, "category": told, "message": message, "record": who}
    if fault == "miscounts":
        record["loaded_rows"] += 1
    if fault == "counts_late":
        record["late_rows"] = 999
    if fault == "claims_inserts":
        record["inserted_rows"] = record["loaded_rows"]
    if fault == "leaves_out_a_field":
        del record["final_rows"]
    return {"type": "result", "run_id": run_id, "record": who | record}


def category(error: psycopg.Error) -> str:
    if error.sqlstate == "57014":
        return "resource"
    return "connectivity" if isinstance(error, psycopg.OperationalError) else "internal"


def say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "stop":
            return
        if request["type"] == "describe":
            event: dict[str, Any] = {"type": "described", "protocol": "1", "engine": "copy", "version": "1"}
        else:
            chosen = Path("fault")
            event = answer(request, chosen.read_text() if chosen.exists() else "")
        say(event)


if __name__ == "__main__":
    main()
