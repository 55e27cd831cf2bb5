"""A driver on the kit, PostgreSQL to PostgreSQL, right but for the one fault that FAULT names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
from certify_driver import Failure, Job, serve  # type: ignore[import-not-found]
from psycopg import sql

FAULT = os.environ.get("FAULT", "")
PATIENCE = 600


def describe() -> dict[str, Any]:
    if FAULT == "hangs_at_describe":
        time.sleep(PATIENCE)
    who = {"engine": "faulty", "version": "1"}
    if FAULT == "another_name":
        who["engine"] = "somebody"
    if FAULT == "no_digest":
        who["artifact_digest"] = "latest"
    return who


def connect(end: Any) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(end.dsn, connect_timeout=5)
    except psycopg.OperationalError as error:
        if FAULT == "tells_the_dsn":
            sys.stderr.write(f"cannot connect to {end.dsn}\n")
        category = "authentication" if "authentication failed" in str(error) else "connectivity"
        if (FAULT, category) in (("confuses_logins", "authentication"), ("blames_the_data", "connectivity")):
            category = "data"
        raise Failure(category, "cannot connect", retryable=True) from None


def load(job: Job) -> dict[str, Any]:
    if job.strategy != "full_refresh" and FAULT != "any_strategy":
        raise Failure("unsupported", f"no strategy {job.strategy}")
    if FAULT == "refuses_the_future" and "field_of_tomorrow" in job.request:
        os._exit(1)
    if FAULT == "needs_its_state":
        known, kept = Path("known"), job.state_dir / "kept"
        if known.exists() and not kept.exists():
            raise Failure("internal", "no such file: kept")
        known.touch()
        kept.touch()
    seen = Path("seen")
    if FAULT == "one_load_only" and seen.exists():
        seen.unlink()
        os._exit(0)
    seen.touch()
    if FAULT == "orphans":
        subprocess.Popen(["sleep", "30"], env={}, start_new_session=True)
    job.phase("copy")
    if FAULT == "prints":
        os.write(3, b"loading\n")  # the kit's own protocol stream
    source, sink = (
        sql.Identifier(job.source.namespace, job.source.name),
        sql.Identifier(job.sink.namespace, job.sink.name),
    )
    with connect(job.source) as read, connect(job.sink) as write:
        try:
            kinds = read.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                (source.as_string(),),
            ).fetchall()
        except psycopg.errors.UndefinedTable:
            raise Failure("not_found" if FAULT != "nothing_missing" else "data", "no table") from None
        write.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(job.sink.namespace)))
        write.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sink))
        columns = sql.SQL(", ").join(sql.Identifier(n) + sql.SQL(" " + kind) for n, kind in kinds)
        write.execute(sql.SQL("CREATE TABLE {} ({})").format(sink, columns))
        with (
            read.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(source)) as out,
            write.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sink)) as into,
        ):
            rows = [bytes(row) for row in out]
            for row in rows[FAULT == "loses_a_row" :]:
                into.write(row)
        done = Path("loads")
        again = FAULT == "tires" and done.exists() and len(done.read_text()) > 1
        with done.open("a") as stream:
            stream.write("x")
        if FAULT == "fails" or again:
            raise Failure("internal", "no")
    return {"loaded_rows": len(rows) + (FAULT == "miscounts"), "final_rows": len(rows)}


def main() -> None:
    if FAULT == "another_run":
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if FAULT in ("another_run", "gives_up_on_garbage", "never_stops", "replays"):
        return by_hand()
    return serve(describe, load)


def by_hand() -> None:
    """Without the kit, for faults it does not let through."""

    def emit(event: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()

    while True:
        line = sys.stdin.readline()
        try:
            ask = json.loads(line)
            kind = ask["type"]
        except (ValueError, TypeError, KeyError):
            if FAULT == "gives_up_on_garbage":
                sys.exit(1)
            if FAULT != "never_stops":
                sys.exit(0)
            time.sleep(0.1)
            continue
        if kind == "stop":
            if FAULT == "never_stops":
                continue
            return
        if kind == "describe":
            emit({"type": "described", "protocol": "1", **describe()})
        elif kind == "load":
            run_id = "another" if FAULT == "another_run" else ask["run_id"]
            try:
                if (ask.get("options") or {}).get("replay") and FAULT != "replays":
                    raise Failure("unsupported", "no replay")
                claims = load(Job(ask, emit if FAULT != "another_run" else lambda _: None))
            except Failure as failure:
                emit({"type": "error", "run_id": run_id, "category": failure.category, "message": "no"})
            else:
                who = {"run_id": run_id, "engine": "faulty", "engine_version": "1"}
                emit({"type": "result", "run_id": run_id, "record": {**who, **claims}})


if __name__ == "__main__":
    main()
