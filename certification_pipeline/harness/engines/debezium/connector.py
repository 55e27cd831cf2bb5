"""One run of Debezium: from its start to the point that a load must reach.

A load ends where it has a witness for the end. ``cdc`` writes a logical decoding message into the source's
log and stops when it comes back as an event, after everything that was committed before it; a snapshot ends
with Debezium's own notification. Nothing here waits by the clock, except to give up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from certify_driver import Failure, Job  # type: ignore[import-not-found]
from events import Change, Column, Notice, Reader  # type: ignore[import-not-found]
from jpype import JClass, JImplements, JOverride  # type: ignore[import-not-found]
from pydbzengine import BasePythonChangeHandler  # type: ignore[import-not-found]
from settings import POSTGRES_TYPES, properties, slot_of  # type: ignore[import-not-found]
from sink import Net, PostgresSink  # type: ignore[import-not-found]

try:
    from pydbzengine import DebeziumEngine
except ImportError:  # before 3.6.3.0
    from older import DebeziumEngine  # type: ignore[import-not-found]

SILENCE_SECONDS = 60.0
"""So long may Debezium say nothing: no event, no notification, no end."""

_HERE = Path(__file__).resolve().parent
_JVM = (
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    f"-Dlog4j2.configurationFile={_HERE / 'log4j2.properties'}",
)


def run(job: Job) -> dict[str, Any]:
    """One load; the run record's claims. Raises ``Failure`` and whatever Debezium or psycopg raised."""
    job.state_dir.mkdir(parents=True, exist_ok=True)
    offsets = job.state_dir / "offsets.dat"
    if job.strategy != "cdc":
        offsets = job.state_dir / "snapshot.dat"
        offsets.unlink(missing_ok=True)
    slot, placeholder = slot_of(job), f"unavailable-{job.run_id}"
    with psycopg.connect(job.source.dsn, autocommit=True, connect_timeout=10) as source:
        target = PostgresSink(job.sink.dsn, job.sink.namespace, job.sink.name, job.primary_key)
        try:
            consumer = Consumer(job, target, Reader(placeholder), lambda: _mark(source, slot))
            job.phase("extract")
            if offsets.exists() and offsets.stat().st_size:
                consumer.awaited = _mark(source, slot)
            _Run(properties(job, slot, offsets, placeholder), consumer).to_the_end(job)
            return {**consumer.counts, "final_rows": target.count()}
        finally:
            target.close()


def _mark(source: psycopg.Connection[Any], prefix: str) -> bytes:
    """Write a message into the log; it comes back as an event behind everything committed before it."""
    content = f"{prefix} {time.time_ns()}"
    source.execute("SELECT pg_logical_emit_message(true, %s, %s)", [prefix, content])
    return content.encode()


class Consumer(BasePythonChangeHandler):  # type: ignore[misc]  # untyped here: it lives in the driver's environment
    """Applies batches; pydbzengine calls it in a thread of Java's, one batch after the other."""

    def __init__(self, job: Job, sink: PostgresSink, reader: Reader, mark: Callable[[], bytes]) -> None:
        self._job, self._sink, self._reader, self._mark = job, sink, reader, mark
        self._table = (job.source.namespace or "public", job.source.name)
        self._declared = [Column(c.name, POSTGRES_TYPES[c.type], lambda value: value) for c in job.columns]
        self.awaited: bytes | None = None
        self.reached = False
        self.scanned: int | None = None
        self.staged = 0
        self.failure: Exception | None = None
        self.heard = time.monotonic()
        self.counts = dict.fromkeys(
            ("extracted_rows", "staged_rows", "loaded_rows", "inserted_rows", "updated_rows", "deleted_rows"),
            0,
        )

    def handleJsonBatch(self, records: Any) -> None:  # noqa: N802 - Java's name
        """One transaction. After a failure nothing more is taken: a later batch must not be acknowledged."""
        self.heard = time.monotonic()
        if self.failure is not None:
            raise self.failure
        try:
            texts = (record.value() for record in records)
            events = [self._reader.read(str(text)) for text in texts if text is not None]
            with self._sink.transaction():
                self._take([event for event in events if event is not None])
        except Exception as error:
            self.failure = error
            raise
        self.heard = time.monotonic()

    def _take(self, events: list[Change | Notice]) -> None:
        rows: list[Change] = []
        net = Net(tuple(self._job.primary_key))
        for event in events:
            match event:
                case Notice("Initial Snapshot", "STARTED"):
                    rows, self.scanned, self.staged = [], None, 0
                    self._sink.begin_snapshot()
                case Notice("Initial Snapshot", "TABLE_SCAN_COMPLETED", details):
                    # A scan that broke off is completed, too, and counts nothing: its error follows.
                    whole = "total_rows_scanned" in details
                    if whole and details["scanned_collection"] == ".".join(self._table):
                        self.scanned = int(details["total_rows_scanned"])
                case Notice("Initial Snapshot", "COMPLETED"):
                    self._stage(rows)
                    rows = []
                    self._publish()
                case Change(op="m", message=message):
                    self.reached = self.reached or message == self.awaited
                case Change(op="r", table=self._table):
                    rows.append(event)
                case Change(table=self._table):
                    net.add(event)
                    self._count(event.op)
        self._stage(rows)
        self._apply(net)

    def _stage(self, rows: list[Change]) -> None:
        if rows:
            self._job.phase("stage")
            self._sink.stage(rows)
            self.staged += len(rows)
            for name in ("extracted_rows", "staged_rows", "inserted_rows", "loaded_rows"):
                self.counts[name] += len(rows)
            self._job.progress(self.counts["staged_rows"])

    def _publish(self) -> None:
        """Only what Debezium says it scanned: of a table that is not there it completes a snapshot, too."""
        if self.scanned is None:
            raise Failure("not_found", f"Debezium's snapshot had no table {'.'.join(self._table)}")
        if self.scanned != self.staged:
            raise Failure("data", f"Debezium scanned {self.scanned} rows, and {self.staged} arrived")
        self._job.phase("finalize")
        self._sink.publish(self._declared)
        if self._job.strategy == "cdc":
            self.awaited = self._mark()
        else:
            self.reached = True

    def _apply(self, net: Net) -> None:
        if net.rows or net.partial or net.truncated:
            self._job.phase("load")
            self.counts["loaded_rows"] += self._sink.apply(net)
            self._job.progress(self.counts["extracted_rows"])

    def _count(self, op: str) -> None:
        name = {"c": "inserted_rows", "u": "updated_rows", "d": "deleted_rows"}.get(op)
        if name:
            self.counts["extracted_rows"] += 1
            self.counts[name] += 1


class _Engine(DebeziumEngine):  # type: ignore[misc]  # untyped here
    """pydbzengine's, which tells neither that a batch was committed nor that Debezium failed."""

    failed: str | None = None

    def _build_engine(self) -> Any:
        self._ensure_jvm_started()
        told = JClass("java.util.Properties")()
        for name, value in self.properties.items():
            told.setProperty(name, value)
        create = JClass("io.debezium.engine.DebeziumEngine").create(self._resolve_format()).using(told)
        return create.using(_callback(self)).notifying(self.consumer).build()


def _callback(engine: _Engine) -> Any:
    """Debezium's documented way to learn how it ended; made here, since it needs a running JVM."""

    @JImplements("io.debezium.engine.DebeziumEngine$CompletionCallback")
    class Ended:
        @JOverride  # type: ignore[untyped-decorator]
        def handle(self, success: bool, message: Any, error: Any) -> None:
            if not success:
                cause = error
                while cause is not None and cause.getCause() is not None:
                    cause = cause.getCause()
                engine.failed = f"{message}: {cause.getMessage() if cause is not None else ''}"

    return Ended()


class _Run:
    """One Debezium engine, in a thread of its own, until the consumer has what the load must reach."""

    def __init__(self, told: dict[str, str], consumer: Consumer) -> None:
        self._consumer = consumer
        self._over = threading.Event()
        self._raised: BaseException | None = None
        self._engine = _Engine(told, consumer, format="json", jvm_opts=list(_JVM))
        bridge = self._engine.consumer
        take = bridge.handleBatch

        def take_and_look(records: Any, committer: Any) -> None:
            take(records, committer)
            # Only now is the batch committed: closing any earlier would interrupt the offset's flush.
            if consumer.reached or consumer.failure is not None:
                self._over.set()

        bridge.handleBatch = take_and_look
        self._thread = threading.Thread(target=self._work, name="debezium", daemon=True)

    def _work(self) -> None:
        try:
            self._engine.run()
        except BaseException as error:  # Java's exceptions, too
            self._raised = error
        finally:
            self._over.set()

    def to_the_end(self, job: Job) -> None:
        """Start, wait, stop; raises what went wrong."""
        self._thread.start()
        silent = False
        while not self._over.wait(1.0):
            silent = time.monotonic() - self._consumer.heard > SILENCE_SECONDS
            if silent:
                break
        if self._consumer.reached:
            job.phase("state")
        self._engine.close()
        self._thread.join(SILENCE_SECONDS)
        if self._consumer.failure is not None:
            raise self._consumer.failure
        if self._consumer.reached:
            return
        if silent:
            message = f"Debezium was silent for {SILENCE_SECONDS:.0f} s; is a transaction open at the source?"
            raise Failure("conflict", message, retryable=True)
        if self._engine.failed:
            raise RuntimeError(self._engine.failed)
        raise self._raised or RuntimeError("Debezium ended before the load did, and gave no reason")
