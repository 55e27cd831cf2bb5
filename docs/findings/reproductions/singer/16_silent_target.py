# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = ["meltanolabs-target-postgres==0.8.1", "psycopg2-binary==2.9.13"]
# ///
"""A database that goes silent holds target-postgres for ever."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg2

DSN = sys.argv[1]
SECONDS = 90
SILENT_AFTER = 40_000
ROWS = 2_000


class SilentProxy:
    """Passes bytes on to the server until so many went there; then nothing more, and closes nothing."""

    def __init__(self, host: str, port: int) -> None:
        self.server, self.sent = (host, port), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
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

    def pass_on(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        while data := source.recv(4096):
            self.sent += len(data) if counts else 0
            if self.sent > SILENT_AFTER:
                threading.Event().wait()
            sink.sendall(data)
        sink.close()


connection = psycopg2.connect(DSN)
known = connection.get_dsn_parameters()
password = connection.info.password
connection.close()
proxy = SilentProxy(known.get("host", "localhost"), int(known.get("port", 5432)))
settings = {"HOST": "127.0.0.1", "PORT": str(proxy.port), "USER": known["user"], "DATABASE": known["dbname"]}
named = {f"TARGET_POSTGRES_{name}": value for name, value in settings.items()}
properties = {"id": {"type": "integer"}, "note": {"type": "string"}}
messages: list[dict[str, object]] = [
    {"type": "SCHEMA", "stream": "t", "schema": {"properties": properties}, "key_properties": ["id"]},
    *({"type": "RECORD", "stream": "t", "record": {"id": n, "note": "x" * 100}} for n in range(ROWS)),
]
with tempfile.TemporaryFile("w+") as lines:
    lines.write("".join(json.dumps(message) + "\n" for message in messages))
    lines.seek(0)
    target = subprocess.Popen(
        [Path(sys.executable).parent / "target-postgres", "--config", "ENV"],
        env={**os.environ, **named, "TARGET_POSTGRES_PASSWORD": password or "-"},
        stdin=lines,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        status: int | None = target.wait(SECONDS)
    except subprocess.TimeoutExpired:
        status = None
        target.kill()
        target.wait()
print(f"expected: an end within {SECONDS} s; the database is silent after {SILENT_AFTER} bytes")
print("seen:    ", "none" if status is None else f"exit code {status}", f"after {proxy.sent} bytes")
if status is not None or proxy.sent <= SILENT_AFTER:
    print("NOT REPRODUCED")
    sys.exit(0)
print("REPRODUCED: it waits for an answer that will not come")
sys.exit(1)
