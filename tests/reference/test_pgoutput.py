"""The decoder against bytes written by hand after the PostgreSQL manual, and netting against a model."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sources.netting import Net
from certification_pipeline.reference.sources.pgoutput import (
    Begin,
    Commit,
    Delete,
    Insert,
    Relation,
    Truncate,
    Unchanged,
    Update,
    decode,
)

TUPLE = b"\x00\x03" + b"t\x00\x00\x00\x0212" + b"n" + b"u"
VALUES = ("12", None, Unchanged.TOAST)
RELATION = (
    b"R\x00\x00\x40\x01public\0t\0d\x00\x03"
    b"\x01id\0\x00\x00\x00\x14\xff\xff\xff\xff"
    b"\x00name\0\x00\x00\x00\x19\xff\xff\xff\xff"
    b"\x00big\0\x00\x00\x00\x19\xff\xff\xff\xff"
)
GOLDEN = [
    (b"B" + struct.pack(">QqI", 0x16B374D848, 5, 731), Begin(0x16B374D848, 731)),
    (b"C\x00" + struct.pack(">QQq", 10, 20, 5), Commit(10, 20)),
    (RELATION, Relation(0x4001, "public", "t", ("id", "name", "big"), frozenset({"id"}))),
    (b"I\x00\x00\x40\x01N" + TUPLE, Insert(0x4001, VALUES)),
    (b"U\x00\x00\x40\x01N" + TUPLE, Update(0x4001, None, VALUES)),
    (b"U\x00\x00\x40\x01K" + TUPLE + b"N" + TUPLE, Update(0x4001, VALUES, VALUES)),
    (b"U\x00\x00\x40\x01O" + TUPLE + b"N" + TUPLE, Update(0x4001, VALUES, VALUES)),
    (b"D\x00\x00\x40\x01K" + TUPLE, Delete(0x4001, VALUES)),
    (b"D\x00\x00\x40\x01O" + TUPLE, Delete(0x4001, VALUES)),
    (b"T\x00\x00\x00\x02\x03\x00\x00\x40\x01\x00\x00\x40\x02", Truncate((0x4001, 0x4002))),
]


@pytest.mark.parametrize(("data", "message"), GOLDEN)
def test_golden(data: bytes, message: object) -> None:
    assert decode(data) == message


@pytest.mark.parametrize("data", [data for data, _ in GOLDEN])
def test_a_truncated_message_is_never_half_understood(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(LoadError, match="pgoutput"):
            decode(data[:length])


@pytest.mark.parametrize("data", [data for data, _ in GOLDEN])
def test_left_over_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(LoadError, match="left over"):
        decode(data + b"\0")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(LoadError, match="'z'"):
        decode(b"z")


TABLE = Relation(1, "public", "t", ("id", "v"), frozenset({"id"}))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(0, 4), st.integers(0, 99)),
        st.tuples(st.just("update"), st.integers(0, 4), st.integers(0, 99)),
        st.tuples(st.just("rekey"), st.integers(0, 4), st.integers(0, 4)),
        st.tuples(st.just("delete"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("truncate"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


@given(operations)
def test_the_net_effect_is_the_effect(steps: list[tuple[str, int, int]]) -> None:
    """Play legal changes on a dictionary and through the net: the same table comes out."""
    start = {0: 1000, 1: 1001}
    table, net = dict(start), Net(("id",))
    for kind, key, argument in steps:
        if kind == "insert" and key not in table:
            table[key] = argument
            net.apply(Insert(1, (str(key), str(argument))), TABLE)
        elif kind == "update" and key in table:
            table[key] = argument
            net.apply(Update(1, None, (str(key), str(argument))), TABLE)
        elif kind == "rekey" and key in table and argument not in table:
            table[argument] = table.pop(key)
            net.apply(Update(1, (str(key), None), (str(argument), Unchanged.TOAST)), TABLE)
        elif kind == "delete" and key in table:
            del table[key]
            net.apply(Delete(1, (str(key), None)), TABLE)
        elif kind == "truncate":
            table.clear()
            net.apply(Truncate((1,)), None)
    result = {} if net.truncated else dict(start)
    for (key_text,), row in net.rows.items():
        result.pop(int(key_text), None)
        if row.values is not None:
            value = row.values["v"]
            result[int(key_text)] = start[int(row.origin[0])] if value is Unchanged.TOAST else int(str(value))
    assert result == table
