"""What Debezium is told: documented properties, names, and what the types of a column are called."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from certify_driver import Job  # type: ignore[import-not-found]

POSTGRES_TYPES = {
    "bool": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "decimal": "numeric(38,10)",
    "float64": "double precision",
    "text": "text",
    "date": "date",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "bytes": "bytea",
    "uuid": "uuid",
    "json": "jsonb",
    "int_array": "bigint[]",
    "text_array": "text[]",
}
"""For a table without rows, of which Debezium says nothing at all."""

DEFAULT_BATCH = 2048
"""Debezium's own; a load that asks for smaller ones gets them: a transaction may then take several."""


def properties(job: Job, slot: str, offsets: Path, placeholder: str) -> dict[str, str]:
    """Documented properties only; what is not here is Debezium's default (README.md says why)."""
    url = urlsplit(job.source.dsn)
    namespace = job.source.namespace or "public"
    return {
        "name": slot,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": url.hostname or "localhost",
        "database.port": str(url.port or 5432),
        "database.user": unquote(url.username or ""),
        "database.password": unquote(url.password or ""),
        "database.dbname": unquote(url.path.lstrip("/")),
        "database.sslmode": parse_qs(url.query).get("sslmode", ["prefer"])[-1],  # the default of both
        "topic.prefix": slot,
        "plugin.name": "pgoutput",
        "slot.name": slot,
        "publication.name": slot,
        "publication.autocreate.mode": "filtered",
        "schema.include.list": literal(namespace),
        "table.include.list": f"{literal(namespace)}\\.{literal(job.source.name)}",
        "snapshot.mode": "initial" if job.strategy == "cdc" else "initial_only",
        "message.prefix.include.list": slot,
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": f"{slot}_notifications",
        "skipped.operations": "none",  # by default truncates are not told
        "offset.mismatch.strategy": "trust_offset",  # by default a slot made anew, or moved, is not noticed
        "event.converting.failure.handling.mode": "fail",  # by default such a value is told as NULL
        "tombstones.on.delete": "false",  # for Kafka's log compaction
        "unavailable.value.placeholder": placeholder,
        "converter.schemas.enable": "true",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(offsets),
        "offset.flush.interval.ms": "0",  # after each batch that the consumer has finished
        "poll.interval.ms": "50",
        "max.batch.size": str(min(job.options.batch_rows, DEFAULT_BATCH)),
        "errors.max.retries": "0",  # a load that fails says so; running it again is the scheduler's
    }


def literal(name: str) -> str:
    """A regular expression (Java) for just this name; commas separate expressions in Debezium's lists."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"\\x{{{ord(c):x}}}" for c in name)


def slot_of(job: Job) -> str:
    """Slot, publication and topic prefix of this pair of tables: stable, legal, and found by namespace."""
    stem = re.sub(r"[^a-z0-9_]", "_", job.source.namespace.lower())[:40]
    parts = (job.source.namespace, job.source.name, job.sink.system, job.sink.namespace, job.sink.name)
    return f"{stem}_dbz_{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"
