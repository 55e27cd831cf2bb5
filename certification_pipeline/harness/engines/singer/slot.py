"""The operator's step before log-based replication: a slot, in the tap's own environment.

As the tap's README has it (``SELECT * FROM pg_create_logical_replication_slot('…', 'wal2json')``). A slot
that is there is left as it is. The connection is told in the environment.
"""

from __future__ import annotations

import os

import psycopg2  # type: ignore[import-untyped]

connection = psycopg2.connect(
    host=os.environ["SLOT_HOST"],
    port=os.environ["SLOT_PORT"],
    user=os.environ["SLOT_USER"],
    password=os.environ["SLOT_PASSWORD"],
    dbname=os.environ["SLOT_DATABASE"],
)
connection.autocommit = True
with connection.cursor() as cursor:
    cursor.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", (os.environ["SLOT_NAME"],))
    if cursor.fetchone() is None:
        cursor.execute(
            "SELECT pg_create_logical_replication_slot(%s, %s)",
            (os.environ["SLOT_NAME"], os.environ["SLOT_PLUGIN"]),
        )
connection.close()
