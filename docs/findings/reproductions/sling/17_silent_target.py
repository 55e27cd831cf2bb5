# /// script
# requires-python = ">=3.11"
# dependencies = ["sling-linux-amd64==1.3.5", "psycopg[binary]==3.3.9"]
# ///
"""sling: a target whose connection goes silent holds a load for ever; there is no limit to be set.

Usage: uv run --script 17_silent_target.py postgresql://USER:PASSWORD@HOST:PORT/EMPTY_DATABASE
"""

import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

DSN = sys.argv[1]
PACKAGED = Path(sysconfig.get_paths()["purelib"]) / "sling_linux_amd64" / "bin" / "sling-linux-amd64"
SECONDS = 90
SILENT_AFTER = 20_000


class SilentProxy:
    """Passes bytes on to the server until so many went there; then nothing more, and closes nothing."""

    def __init__(self) -> None:
        self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            server = upstream()
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    def pass_on(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        while data := source.recv(4096):
            self.sent += len(data) if counts else 0
            if self.sent > SILENT_AFTER:
                threading.Event().wait()
            sink.sendall(data)
        sink.close()


def upstream() -> socket.socket:
    """The real server, by host or by socket directory."""
    url = urlsplit(DSN)
    directory = parse_qs(url.query).get("host", [""])[0]
    if directory.startswith("/"):
        found = socket.socket(socket.AF_UNIX)
        found.connect(f"{directory}/.s.PGSQL.{url.port or 5432}")
        return found
    return socket.create_connection((directory or url.hostname or "localhost", url.port or 5432))


with psycopg.connect(DSN, autocommit=True) as db:
    db.execute("CREATE SCHEMA s")
    db.execute("CREATE TABLE s.t AS SELECT n AS id, repeat('x', 100) AS note FROM generate_series(1, 5000) n")
proxy = SilentProxy()
url = urlsplit(DSN)
user = url.netloc.rpartition("@")[0] or url.username or "postgres"
through = f"postgresql://{user}@127.0.0.1:{proxy.port}{url.path}?sslmode=disable"
with tempfile.TemporaryDirectory() as home:
    direct = DSN + ("&" if "?" in DSN else "?") + "sslmode=disable"
    quiet = {"SLING_DISABLE_TELEMETRY": "TRUE", "SLING_HOME_DIR": home, "HOME": home}
    arguments = ("--src-conn", "SOURCE", "--src-stream", "s.t", "--tgt-conn", "TARGET", "--tgt-object", "d.t")
    load = subprocess.Popen(
        [os.environ.get("SLING_BINARY", str(PACKAGED)), "run", *arguments, "--mode", "full-refresh"],
        env={**quiet, "SOURCE": direct, "TARGET": through},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        status: object = load.wait(SECONDS)
    except subprocess.TimeoutExpired:
        status = None
        load.kill()
        load.wait()
print(f"expected: an end within {SECONDS} s; the target had been silent since byte {SILENT_AFTER}")
print("seen:    ", "none" if status is None else f"exit status {status} after {proxy.sent} bytes")
if status is not None:
    print("NOT REPRODUCED")
    sys.exit(0)
print("REPRODUCED: it waits for an answer that will not come")
sys.exit(1)
