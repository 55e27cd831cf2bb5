"""What a scenario needs from the system it seeds: a table it can create, fill, change and disturb.

One writer per source system. A writer puts generated rows there by its own path, never through an
engine under test, and checks that the system took exactly what it was given.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.rounds import Change, Workload
from certification_pipeline.harness.workload.spec import TableSpec


class SourceError(Exception):
    """The source could not be brought into the state a scenario needs: our bench broke, not the engine."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]} — {self.remedy}"


class OpenTransaction(Protocol):
    """A transaction held open on a connection of its own; it ends with its context, by rollback."""

    def execute(self, statement: str) -> int:
        """Run one statement inside; the number of rows it touched (-1: not applicable)."""
        ...

    def apply(self, change: Change, manner: Manner = Manner.PLAIN) -> None:
        """A whole change round inside; the last of its transactions is left open."""
        ...

    def commit(self) -> None:
        """Commit now."""
        ...

    def rollback(self) -> None:
        """Roll back now."""
        ...


class SourceWriter(Protocol):
    """One source table. Every method raises :class:`SourceError` with a remedy."""

    def create(self, spec: TableSpec) -> None:
        """An empty table; it must not be there yet."""
        ...

    def seed(self, workload: Workload) -> None:
        """The initial rows, visible at once; creates the table when it is not there."""
        ...

    def apply(self, change: Change, in_one_transaction: bool = False) -> None:
        """Drift, inserts, updates, deletes; each a transaction of its own unless told otherwise.

        A system without transactions shows either all of the round or nothing of it.
        """
        ...

    def count(self) -> int:
        """Rows in the table now."""
        ...

    def drop(self) -> None:
        """Remove the table if it is there."""
        ...

    def close(self) -> None:
        """Give up connections; idempotent. The table stays."""
        ...


@runtime_checkable
class LoggedSource(Protocol):
    """A source whose log is read through slots, which can be told and dropped."""

    def slots(self) -> tuple[str, ...]:
        """The names of all replication slots of the database."""
        ...

    def drop_slot(self, name: str) -> None:
        """Remove that slot, and end whoever reads it; absent is fine."""
        ...


@runtime_checkable
class TransactionalSource(SourceWriter, Protocol):
    """A source with statements and transactions: ``SourceFeature.TRANSACTIONS`` in the catalogue."""

    @property
    def qualified_name(self) -> str:
        """The table as it is written in a statement, quoted."""
        ...

    def execute(self, statement: str) -> int:
        """Run one statement, committed; the number of rows it touched (-1: not applicable)."""
        ...

    def open_transaction(self) -> AbstractContextManager[OpenTransaction]:
        """A transaction that stays open while the context lasts."""
        ...
