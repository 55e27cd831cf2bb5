# /// script
# requires-python = ">=3.11"
# dependencies = ["dpone[postgres]==0.88.0"]
# ///
"""A sink whose connection goes silent holds a run for ever.

Takes the URL of an empty PostgreSQL database.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import dpone
import psycopg

URL = sys.argv[1]
SECONDS = 90
SILENT_AFTER = 20_000
FOLDER = Path(tempfile.mkdtemp())
PLAIN = {"lineage": {"enabled": False}, "schema_evolution": {"enabled": False}}


class SilentProxy:
    """Passes bytes on to the server until so many went there; then nothing more, and closes nothing."""

    def __init__(self, host, port):
        self.server, self.sent = (host, port), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            host, port = self.server
            if host.startswith("/"):
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{host}/.s.PGSQL.{port}")
            else:
                server = socket.create_connection((host, port))
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def pass_on(self, source, sink, counts):
        while data := source.recv(4096):
            self.sent += len(data) if counts else 0
            if self.sent > SILENT_AFTER:
                threading.Event().wait()
            sink.sendall(data)
        sink.close()


def run(sink_host, sink_port):
    """One dpone run from src.t to landing.t; None, or the exception."""
    with psycopg.connect(URL, autocommit=True) as found:
        info = found.info
        for schema in ("landing", "staging", "etl_state"):
            found.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        both = {"DATABASE": info.dbname, "USERNAME": info.user, "PASSWORD": info.password or "-"}
        ends = {
            "PG": {"HOST": info.host, "PORT": str(info.port)},
            "SINK": {"HOST": sink_host, "PORT": sink_port},
        }
        for end, at in ends.items():
            for name, value in {**both, **at}.items():
                os.environ[f"DPONE_CONN_{end}_{name}"] = value
    pg = {"type": "postgres", "connection_type": "env", "connection_id": "pg"}
    vault = {"vault_mount_point": "unused", "vault_path": "unused"}
    sink = {
        "table": {"schema": "landing", "name": "t"},
        "staging": {"schema": "staging"},
        "strategy": {"mode": "incremental_merge", "unique_key": ["id"]},
        "options": PLAIN,
    }
    defaults = {
        "runtime": {"compatibility": {"legacy_runtime_connections": "explicit_only"}},
        "name": "p",
        "source": {**pg, "options": {"incremental_column": "at"}},
        "sink": {**pg, "connection_id": "sink", **sink},
        "state": {**pg, **vault, "table": {"schema": "etl_state", "name": "dpone_state"}},
    }
    manifest = {"kind": "dpone.batch.v1", "defaults": defaults, "schemas": {"src": {"tables": ["t"]}}}
    (FOLDER / "m.yaml").write_text(json.dumps(manifest))
    try:
        dpone.run(FOLDER / "m.yaml")
    except Exception as error:
        return error
    return None


if len(sys.argv) > 2:
    failed = run("127.0.0.1", sys.argv[2])
    print(f"{type(failed).__name__}: {failed}"[:300] if failed else "the run succeeds")
    sys.exit(0)

with psycopg.connect(URL, autocommit=True) as database:
    database.execute("CREATE SCHEMA src")
    database.execute("CREATE TABLE src.t (id bigint, at int, note text)")
    database.execute("INSERT INTO src.t SELECT n, n, repeat('x', 100) FROM generate_series(1, 5000) n")
    proxy = SilentProxy(database.info.host, database.info.port)
print(f"expected: an end within {SECONDS} s; the sink is silent after {SILENT_AFTER} bytes")
load = subprocess.Popen(
    [sys.executable, __file__, URL, str(proxy.port)],
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
)
try:
    print("seen:", load.communicate(timeout=SECONDS)[0].strip())
except subprocess.TimeoutExpired:
    load.kill()
    load.wait()
    print(f"seen: no end after {proxy.sent} bytes")
    print("REPRODUCED: it waits for an answer that will not come")
    sys.stdout.flush()
    os._exit(1)
print("NOT REPRODUCED")
