"""What can happen at a source while, or between, loads: somebody writes, a replication slot goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar

from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, NothingToDisturb
from certification_pipeline.harness.workload.rounds import Change
from certification_pipeline.harness.workload.source import (
    LoggedSource,
    OpenTransaction,
    SourceError,
    TransactionalSource,
)

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession

NOBODY_WAITS_SECONDS = 2.0
"""For engines whose load makes no slot, or made it before they said anything."""
NOBODY_WAITS_SECONDS = 2.0
"""For engines whose load makes no slot, or made it before they said anything."""
PATIENCE_SECONDS = 30.0
"""How long the writer waits for the load to show itself: as long as it waits, no slot can begin."""


class SlotDropped(Fault):
    """The replication slots of the engine are dropped, as by somebody who frees a full disk."""

    name: ClassVar[str] = "source.slot_dropped"

    def __init__(self, source: LoggedSource, slots: Sequence[str]) -> None:
        self._source = source
        self._slots = tuple(slots)
        self._gone: list[str] = []

    def plan(self) -> Facts:
        """How many slots the engine's loads have made."""
        return {"slots": len(self._slots)}

    def arm(self, arena: Arena) -> None:
        """Drop them now. Raises :class:`NothingToDisturb` where there is none."""
        there = set(self._source.slots())
        slots = [name for name in self._slots if name in there]
        if not slots:
            raise NothingToDisturb("the engine keeps no replication slot at the source between two loads")
        for name in slots:
            self._source.drop_slot(name)
        # Looked at before the load: the engine may make one of the same name anew.
        left = set(self._source.slots())
        self._gone = [name for name in slots if name not in left]

    def witness(self) -> Facts | None:
        """The names that the server no longer knew."""
        return {"dropped_slots": [*self._gone]} if self._gone else None

    def heal(self) -> None:
        """Nothing: what the engine does about it is what is judged."""


class WritesDuringLoad(Fault):
    """Change rounds are committed one after the other while a load runs.

    The first is in flight when the load begins, and commits when somebody waits for it: a logical replication
    slot begins only when all transactions have ended that were open before. A snapshot that was taken earlier
    has not seen it, and the slot will not hold it. Where nobody waits it commits a moment after the load has
    shown itself. The others follow as fast as they can, until the load ends.
    """

    name: ClassVar[str] = "source.writes_during_load"

    def __init__(self, source: TransactionalSource, changes: Sequence[Change]) -> None:
        self._source = source
        self._changes = tuple(changes)
        self._shown, self._over = threading.Event(), threading.Event()
        self._began = False
        self._open = ExitStack()
        self._writer: threading.Thread | None = None
        self._error: SourceError | None = None
        self._in_time = 0
        self.committed = 0
        """Rounds; final once :meth:`witness` was asked."""

    def plan(self) -> Facts:
        """Which rounds, in order."""
        return {"change_rounds": [change.index for change in self._changes]}

    def arm(self, arena: Arena) -> None:
        """Do the first round, uncommitted, and start the writer."""
        transaction = self._open.enter_context(self._source.open_transaction())
        transaction.apply(self._changes[0])
        self._writer = threading.Thread(
            target=self._write, args=(transaction,), name="concurrent-writer", daemon=True
        )
        self._writer.start()

    def hear(self, session: EngineSession, event: Event) -> None:
        """Whatever the load says: it has begun."""
        self._began = True
        self._shown.set()

    def witness(self) -> Facts | None:
        """Waits for the transaction in hand, and for no other."""
        self._end()
        if self._error is not None:
            raise self._error
        if not self._in_time:
            return None
        return {"rounds_committed_while_it_ran": self._in_time, "rounds_committed": self.committed}

    def heal(self) -> None:
        """End the writer; what it committed is part of the source."""
        self._end()

    def _write(self, transaction: OpenTransaction) -> None:
        self._shown.wait(PATIENCE_SECONDS)
        try:
            self._await_waiter()
            transaction.commit()
            self._count()
            for change in self._changes[1:]:
                if self._over.is_set() or not self._began:
                    return
                transaction.apply(change)
                transaction.commit()
                self._count()
        except SourceError as error:
            self._error = error

    def _await_waiter(self) -> None:
        """Until a backend waits for the transaction that is open on the table; not for ever."""
        table = self._source.qualified_name.replace("'", "''")
        waiting = (
            "SELECT 1 FROM pg_locks AS ours JOIN pg_locks AS theirs ON NOT theirs.granted "
            "AND ours.pid = ANY (pg_blocking_pids(theirs.pid)) "
            f"WHERE ours.relation = '{table}'::regclass AND ours.mode = 'RowExclusiveLock'"
        )
        deadline = time.monotonic() + NOBODY_WAITS_SECONDS
        while not self._over.wait(0.02) and time.monotonic() < deadline:
            if self._source.execute(waiting) > 0:
                return

    def _count(self) -> None:
        self.committed += 1
        if self._began and not self._over.is_set():
            self._in_time += 1

    def _end(self) -> None:
        self._over.set()
        self._shown.set()
        if self._writer is not None:
            self._writer.join()
            self._writer = None
        self._open.close()
