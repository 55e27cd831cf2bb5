"""A connection that notices when the other end has gone silent for good.

A server may rightly work on a statement for an hour and say nothing. It is silent for good when it does not
answer on a connection of its own either, or answers there that it is waiting for *us*: then what we sent, or
what it sent, is lost somewhere in between. TCP keepalives do not notice that: whoever holds the connection
open (a proxy, a stalled server's kernel) answers them.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

from certification_pipeline.reference.defects import Defect, planted

ASK_AFTER_SECONDS = 5.0
"""So long may one answer take before the server is asked on another connection."""
ANSWER_WITHIN_SECONDS = 5
TIMES = 2
"""So often in a row must it be found silent: it may just have finished."""
_BETWEEN_SECONDS = 1.0

T = TypeVar("T")
Waiting = Generator[Any, Any, T]


class WatchedConnection(psycopg.Connection[tuple[Any, ...]]):
    """Raises ``psycopg.OperationalError`` where it would wait for ever for a server that is silent."""

    dsn = ""

    def wait(self, gen: Waiting[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """See ``psycopg.Connection.wait``, which tells the generator every ``interval`` that nothing came."""
        try:
            wanted = next(gen)
        except StopIteration as done:  # nearly always: the answer, or the next row, was there already
            value: T = done.value
            return value
        watched = self._watched(gen, wanted)
        return (
            super().wait(watched, interval) if timeout is None else super().wait(watched, interval, timeout)
        )

    def _watched(self, gen: Waiting[T], wanted: Any) -> Waiting[T]:
        ask_at, silent = time.monotonic() + ASK_AFTER_SECONDS, 0
        try:
            while True:
                ready = yield wanted
                if not ready and time.monotonic() >= ask_at:
                    silent = silent + 1 if self._waits_for_us() else 0
                    if silent == TIMES:
                        self.pgconn.finish()
                        raise psycopg.OperationalError("the server has gone silent")
                    ask_at = time.monotonic() + (_BETWEEN_SECONDS if silent else ASK_AFTER_SECONDS)
                wanted = gen.send(ready)
        except StopIteration as end:
            value: T = end.value
            return value

    def _waits_for_us(self) -> bool:
        """Whether the server says so, or says nothing at all."""
        if planted() is Defect.SILENCE_UNNOTICED:
            return False
        query = "SELECT wait_event_type = 'Client' FROM pg_stat_activity WHERE pid = %s"
        try:
            with _Question.connect(
                self.dsn,
                connect_timeout=ANSWER_WITHIN_SECONDS,
                autocommit=True,
                application_name="certify-reference",
            ) as other:
                found = other.execute(query, [self.pgconn.backend_pid]).fetchone()
        except psycopg.Error:
            return True
        return found is None or bool(found[0])


class _Question(psycopg.Connection[tuple[Any, ...]]):
    """Must be answered at once."""

    def wait(self, gen: Waiting[T], interval: float = 0.1, timeout: float | None = None) -> T:
        return super().wait(_bounded(gen), interval)


def _bounded(gen: Waiting[T]) -> Waiting[T]:
    until = time.monotonic() + ANSWER_WITHIN_SECONDS
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= until:
                raise psycopg.OperationalError("no answer")
            wanted = gen.send(ready)
    except StopIteration as end:
        value: T = end.value
        return value
