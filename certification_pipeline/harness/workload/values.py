"""Generated values: a pure function of (seed, column name, row index, row version).

No state runs from row to row, so any slice of a column can be made alone, in any order and on any
machine, and 100 M rows need no more memory than one batch. All work is done on whole arrays. Knows
nothing of keys, cursors, rounds or services.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from certification_pipeline.harness.workload.edges import EDGE_SLOTS, edge_values
from certification_pipeline.harness.workload.spec import ARROW_TYPES, LogicalType

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]

NULL_ONE_IN = 16
"""How often a nullable column is NULL where nothing else decides."""
_NULL_LANE = 63

# SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_VERSION_STEP = np.uint64(0xD1342543DE82EF95)


def _mix(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * _MIX_1
    words = (words ^ (words >> np.uint64(27))) * _MIX_2
    return words ^ (words >> np.uint64(31))


@cache
def _stream(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest(), "little")


class Draws:
    """Independent 64-bit draws for the given rows of one named stream; a *lane* is one draw a row."""

    def __init__(self, seed: int, name: str, index: Ints, version: Ints | int) -> None:
        self.size = len(index)
        self.rotation = _stream(seed, name) % EDGE_SLOTS
        versions = np.broadcast_to(np.asarray(version, dtype=np.uint64), index.shape)
        start = np.full(1, _stream(seed, name), dtype=np.uint64)
        self._base = _mix(index.astype(np.uint64) * _GOLDEN + versions * _VERSION_STEP + start)

    def lane(self, number: int) -> Words:
        """One uniformly distributed word a row."""
        return _mix(self._base + np.full(1, number + 1, dtype=np.uint64) * _GOLDEN)

    def below(self, number: int, bound: int) -> Ints:
        """One number in ``[0, bound)`` a row; the modulo's bias does not matter here."""
        return (self.lane(number) % np.uint64(bound)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class NullRule:
    """Which rows of a column must, and which must not, be NULL; where neither says, one in 16 is."""

    always: Flags | None = None
    never: Flags | None = None


def generate(
    logical: LogicalType, draws: Draws, slots: Ints | None, *, nullable: bool, nulls: NullRule
) -> pa.Array:
    """The values of one column for the rows of ``draws``.

    ``slots`` says which row carries which edge value (-1: none); columns start the list at different
    slots, so that one row does not carry all extremes. A slot of a nullable column is NULL too.
    """
    plain = _GENERATORS[logical](draws)
    picks = np.arange(draws.size, dtype=np.int64)
    empty = draws.below(_NULL_LANE, NULL_ONE_IN) == 0 if nullable else np.zeros(draws.size, dtype=bool)
    edges = edge_values(logical)
    if slots is not None and bool((slots >= 0).any()):
        place = np.where(slots >= 0, (slots + draws.rotation) % EDGE_SLOTS, EDGE_SLOTS)
        planted = place < len(edges)
        picks = np.where(planted, draws.size + place, picks)
        empty = (empty & ~planted) | (place == len(edges)) if nullable else empty
        plain = pa.concat_arrays([plain, edges])
    if nullable and nulls.always is not None:
        empty = empty | nulls.always
    if nullable and nulls.never is not None:
        empty = empty & ~nulls.never
    if len(plain) == draws.size and not empty.any():
        return plain
    return plain.take(pa.array(picks, mask=empty))


def _booleans(draws: Draws) -> pa.Array:
    return pa.array((draws.lane(0) & np.uint64(1)).astype(bool))


def _integers(dtype: type[np.signedinteger]) -> Callable[[Draws], pa.Array]:
    def generator(draws: Draws) -> pa.Array:
        return pa.array(draws.lane(0).astype(dtype))

    return generator


def _decimals(draws: Draws) -> pa.Array:
    # 128-bit two's complement, little endian: low word, high word. 10**38 has a high word of 5.42e18.
    # A quarter each: money (2 of 10 fraction digits used), small, beyond a double's precision, huge.
    kind = draws.below(0, 4)
    money = draws.below(1, 10**11).astype(np.uint64) * np.uint64(100_000_000)
    low = draws.lane(1)
    low = np.choose(kind, [money, low >> np.uint64(24), low, low])
    high = draws.below(2, 5_400_000_000_000_000_000) * np.where(draws.below(3, 2) == 0, 1, -1)
    high = np.choose(kind, [np.zeros_like(high), np.zeros_like(high), high >> 40, high])
    pair = np.empty((draws.size, 2), dtype=np.uint64)
    pair[:, 0], pair[:, 1] = low, high.astype(np.uint64)
    return pa.Array.from_buffers(ARROW_TYPES[LogicalType.DECIMAL], draws.size, [None, pa.py_buffer(pair)])


def _floats(draws: Draws) -> pa.Array:
    mantissa = draws.lane(0).astype(np.int64).astype(np.float64) / 2.0**63
    return pa.array(np.ldexp(mantissa, (draws.below(1, 160) - 80).astype(np.int32)))


_PLAIN = (
    "amber basalt cedar delta ember flint grove harbor island juniper kelp lantern meadow north olive pebble"
)
_FOREIGN = "Ärger straße naïve façade Łódź Москва 東京 서울 القاهرة Αθήνα søster jalapeño 🚀 🌍"
_WORDS = pa.array([*_PLAIN.split(), *_FOREIGN.split()])


def _word(draws: Draws, lane: int) -> pa.Array:
    return _WORDS.take(pa.array(draws.below(lane, len(_WORDS))))


def _number_text(numbers: NDArray[np.generic]) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _texts(draws: Draws) -> pa.Array:
    return pc.binary_join_element_wise(_word(draws, 0), _word(draws, 1), _number_text(draws.lane(2)), " ")


_FIRST_DAY, _DAYS = -25567, 73049  # 1900-01-01, 200 years
_DAY_US = 86_400_000_000


def _dates(draws: Draws) -> pa.Array:
    return pa.array((draws.below(0, _DAYS) + _FIRST_DAY).astype(np.int32)).cast(pa.date32())


def _moments(logical: LogicalType) -> Callable[[Draws], pa.Array]:
    def generator(draws: Draws) -> pa.Array:
        return pa.array(draws.below(0, _DAYS * _DAY_US) + _FIRST_DAY * _DAY_US).cast(ARROW_TYPES[logical])

    return generator


def _offsets(lengths: Ints) -> NDArray[np.int32]:
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _bytes(draws: Draws) -> pa.Array:
    longest = 32
    block = np.stack([draws.lane(k) for k in range(4)], axis=1).view(np.uint8)
    lengths = draws.below(4, longest + 1)
    content = block[np.arange(longest) < lengths[:, None]]
    buffers = [None, pa.py_buffer(_offsets(lengths)), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), draws.size, buffers)


_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_UUID_HYPHENS = (8, 13, 18, 23)
_UUID_DIGITS = np.array([place for place in range(36) if place not in _UUID_HYPHENS])


def _uuids(draws: Draws) -> pa.Array:
    raw = np.stack([draws.lane(0), draws.lane(1)], axis=1).view(np.uint8)
    text = np.full((draws.size, 36), ord("-"), dtype=np.uint8)
    text[:, _UUID_DIGITS[0::2]] = _HEX[raw >> 4]
    text[:, _UUID_DIGITS[1::2]] = _HEX[raw & 15]
    offsets = np.arange(0, 36 * (draws.size + 1), 36, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), draws.size, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _jsons(draws: Draws) -> pa.Array:
    # Keys ordered as jsonb prints them; no word of ours needs an escape.
    flag = pa.array(["true", "false", "null"]).take(pa.array(draws.below(1, 3)))
    parts = ['{"k": ', _number_text(draws.lane(0).astype(np.int64)), ', "ok": ', flag, ', "name": "']
    parts += [_word(draws, 2), '", "score": ', _number_text(draws.below(3, 100_000)), ".5}", ""]
    return pc.binary_join_element_wise(*parts)


def _lists(
    elements: Callable[[Ints, Draws], pa.Array], element_type: pa.DataType
) -> Callable[[Draws], pa.Array]:
    def generator(draws: Draws) -> pa.Array:
        longest = 5
        lengths = draws.below(0, longest)
        chosen = (np.arange(longest) < lengths[:, None]).ravel()
        lanes = np.stack([draws.lane(1 + k) for k in range(longest)], axis=1).ravel()[chosen]
        values = elements(lanes.astype(np.int64), draws).cast(element_type)
        return pa.ListArray.from_arrays(pa.array(_offsets(lengths)), values)

    return generator


def _int_elements(lanes: Ints, _draws: Draws) -> pa.Array:
    return pa.array(lanes, mask=(lanes & 7) == 0)


def _text_elements(lanes: Ints, _draws: Draws) -> pa.Array:
    return _WORDS.take(pa.array((lanes >> 8) % len(_WORDS), mask=(lanes & 7) == 0))


_GENERATORS: dict[LogicalType, Callable[[Draws], pa.Array]] = {
    LogicalType.BOOL: _booleans,
    LogicalType.INT16: _integers(np.int16),
    LogicalType.INT32: _integers(np.int32),
    LogicalType.INT64: _integers(np.int64),
    LogicalType.DECIMAL: _decimals,
    LogicalType.FLOAT64: _floats,
    LogicalType.TEXT: _texts,
    LogicalType.DATE: _dates,
    LogicalType.TIMESTAMP: _moments(LogicalType.TIMESTAMP),
    LogicalType.TIMESTAMPTZ: _moments(LogicalType.TIMESTAMPTZ),
    LogicalType.BYTES: _bytes,
    LogicalType.UUID: _uuids,
    LogicalType.JSON: _jsons,
    LogicalType.INT_ARRAY: _lists(_int_elements, pa.int64()),
    LogicalType.TEXT_ARRAY: _lists(_text_elements, pa.string()),
}
