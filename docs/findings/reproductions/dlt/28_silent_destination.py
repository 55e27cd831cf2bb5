# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "dlt==1.31.0",
#     "psycopg2-binary==2.9.13",
#     "pyarrow==26.0.1",
#     "pandas==3.1.1",
#     "adbc-driver-postgresql==1.13.0",
#     "sqlalchemy==2.0.58",
# ]
# ///
"""A destination that goes silent holds a run for ever: dlt has no time limit for it.

A proxy stands before PostgreSQL; in the second run it swallows the first COMMIT and all that follows, either
way, and closes nothing, as a firewall does that has forgotten the connection.
"""

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from urllib.parse import quote

os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")

import dlt
import psycopg2.extensions
import pyarrow as pa

DATABASE = sys.argv[1].replace("postgres://", "postgresql://", 1)
PATIENCE = 60  # seconds
server = psycopg2.extensions.parse_dsn(DATABASE)
armed, silent = multiprocessing.Event(), multiprocessing.Event()


def pump(source: socket.socket, sink: socket.socket, of_client: bool) -> None:
    while data := source.recv(65536):
        if of_client and armed.is_set() and b"COMMIT" in data:
            silent.set()
        if not silent.is_set():
            sink.sendall(data)
    if not silent.is_set():
        sink.shutdown(socket.SHUT_WR)


def proxy(listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        host, port = server.get("host", "127.0.0.1"), server.get("port", "5432")
        if host.startswith("/"):
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(f"{host}/.s.PGSQL.{port}")
        else:
            upstream = socket.create_connection((host, int(port)))
        threading.Thread(target=pump, args=(client, upstream, True), daemon=True).start()
        threading.Thread(target=pump, args=(upstream, client, False), daemon=True).start()


def load(port: int, folder: str) -> None:
    login = f"{quote(server.get('user', 'postgres'))}:{quote(server.get('password', '-'))}"
    url = f"postgresql://{login}@127.0.0.1:{port}/{server['dbname']}?connect_timeout=10"
    pipeline = dlt.pipeline(
        "f", destination=dlt.destinations.postgres(url), dataset_name="public", pipelines_dir=folder
    )
    rows = pa.table({"id": [1, 2]})
    pipeline.run(
        [rows], table_name="f", write_disposition="merge", primary_key="id", loader_file_format="parquet"
    )


def started(work, *given) -> int:
    child = os.fork()
    if not child:
        work(*given)
        os._exit(0)
    return child


listener = socket.create_server(("127.0.0.1", 0))
port, folder = listener.getsockname()[1], tempfile.mkdtemp()
proxying = started(proxy, listener)
try:
    assert os.waitpid(started(load, port, folder), 0)[1] == 0
    armed.set()
    second = started(load, port, folder)
    assert silent.wait(60), "nothing was committed"
    began = time.monotonic()
    ended = 0
    while not ended and time.monotonic() - began < PATIENCE:
        time.sleep(0.2)
        ended, _ = os.waitpid(second, os.WNOHANG)
    if not ended:
        os.kill(second, signal.SIGKILL)
        os.waitpid(second, 0)
finally:
    os.kill(proxying, signal.SIGKILL)
    os.waitpid(proxying, 0)
print(f"expected: the run ends with an error within {PATIENCE} s of silence")
if not ended:
    print("seen: it was still waiting, and was killed")
    print("REPRODUCED: a silent destination holds a run without end")
    sys.exit(1)
print(f"NOT REPRODUCED: it ended after {time.monotonic() - began:.0f} s")
