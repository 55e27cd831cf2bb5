"""What every reader offers: the columns a table has, and its rows as Arrow tables.

A reader neither interprets nor drops anything: values leave it as the store gave them, with the
physical types they were stored in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

BATCH_ROWS = 50_000


class Reader(Protocol):
    """An open table; its methods raise what the driver raises, or :class:`NotATable`."""

    def columns(self) -> tuple[str, ...]:
        """Names of all columns, in the table's order."""
        ...

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows, as tables of those columns in that order; no rows may mean no table."""
        ...

    def physical(self) -> dict[str, frozenset[str]]:
        """Lower-case physical types by column, without lengths. Complete once ``batches`` is exhausted.

        A column has several where the store allows it: storage classes in SQLite, files in Parquet.
        """
        ...


class NotATable(Exception):  # noqa: N818 - what was found is no table, for a reason a driver cannot give
    """What the name leads to is not a table; the message says why."""


def without_length(type_name: str) -> str:
    """``DECIMAL(38,10)[]`` → ``decimal[]``."""
    return re.sub(r"\s*\([^)]*\)", "", type_name).strip().lower()
