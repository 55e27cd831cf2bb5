"""What goes wrong with a log: aborts that are not heard, layouts that do not change, snapshots appended."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from certification_pipeline.reference.sources.pgoutput import Delete, Insert, Relation, Update
from certification_pipeline.reference.strategies.plan import Counts, Statement, Tables

STREAMED = "SET debug_logical_replication_streaming = immediate"
"""PostgreSQL 16 and later: every change is sent as it is decoded, as those of large transactions are."""
STREAMING_OPTIONS = "'proto_version', '2', 'streaming', 'on'"

_FIRST_BYTES = 5
"""Message type and the transaction's id, which only messages within a stream carry."""


def deaf_to_aborts(messages: Iterator[bytes], after: int) -> Iterator[bytes]:
    """:attr:`Defect.ABORTS_UNHEARD`: what streams in is taken for committed; an abort is passed over."""
    streaming = False
    for message in messages:
        match message[:1]:
            case b"S":
                streaming = True
                yield _begin(message[1:_FIRST_BYTES])
            case b"E":
                streaming = False
                yield _commit(after + 1)
            case b"c":
                (end,) = struct.unpack_from(">Q", message, _FIRST_BYTES + 9)
                yield _begin(message[1:_FIRST_BYTES])
                yield _commit(end)
            case b"A":
                pass
            case _ if streaming:
                yield message[:1] + message[_FIRST_BYTES:]
            case _:
                yield message


def _begin(xid: bytes) -> bytes:
    """Of a transaction that ends beyond every initial copy."""
    return b"B" + struct.pack(">Qq", (1 << 63) - 1, 0) + xid


def _commit(end: int) -> bytes:
    return b"C\0" + struct.pack(">QQq", end, end, 0)


def snapshot_appended(tables: Tables) -> list[Statement]:
    """:attr:`Defect.RESNAPSHOT_APPENDED`: the initial copy goes beside what is there."""
    return [Statement(Counts.INSERTED, tables.insert(""))]


def cut_to_layout(change: Insert | Update | Delete, layout: Relation) -> Insert | Update | Delete:
    """:attr:`Defect.FIRST_LAYOUT_KEPT`: values of columns that came later have no name, and are left out."""
    width = len(layout.columns)
    match change:
        case Insert():
            return replace(change, new=change.new[:width])
        case Update():
            return replace(change, new=change.new[:width], old=change.old and change.old[:width])
        case Delete():
            return replace(change, old=change.old[:width])
