"""What real clients and a real server said, cut into pieces in every way: the meaning stays the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.harness.faults.connection import Connection, Direction, Tap
from certification_pipeline.harness.faults.postgres_events import Event, Failure, Proof, Statements, Trigger
from certification_pipeline.harness.faults.postgres_frames import (
    CLIENT_HEADS,
    CLIENT_TYPES,
    Desync,
    Frames,
    greeting,
)
from certification_pipeline.harness.faults.postgres_wire import Listener, PostgresWire, Talk
from tests.faults.conftest import Wired
from tests.faults.test_commits import WAYS

Piece = tuple[Direction, bytes]
UP, DOWN = Direction.UP, Direction.DOWN


class Recorded(Connection):
    """A connection without sockets."""

    def __init__(self) -> None:
        self.number = 1
        self.replies = b""

    def reply(self, data: bytes) -> None:
        self.replies += data


class Tape(Tap):
    """All bytes as they came out of the wire, after the greeting's SSLRequest was answered."""

    def __init__(self) -> None:
        self.heard: dict[int, list[Piece]] = {}

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        self.heard.setdefault(connection.number, []).append((direction, data))
        yield data


@dataclass
class Notes(Listener):
    """What was heard, in words that can be compared."""

    words: list[str] = field(default_factory=list)

    async def hears(self, connection: Connection, talk: Talk, event: Event) -> None:
        match event:
            case Trigger(commit):
                self.words.append(f"trigger {commit.action} {commit.object}")
            case Proof(commit):
                self.words.append(f"proof {commit.action} {commit.object} {commit.tag}")
            case Failure(sqlstate):
                self.words.append(f"failure {sqlstate}")
            case Statements(writes):
                self.words.append(f"statements {writes}")


def replay(pieces: Sequence[Piece]) -> tuple[list[str], dict[Direction, bytes], bytes]:
    """Run them through a wire: what was heard, what came out, what was answered."""
    wire, notes, connection = PostgresWire(), Notes(), Recorded()
    wire.connects(1)
    wire.add(notes)
    out = {UP: b"", DOWN: b""}

    async def play() -> None:
        for direction, data in pieces:
            async for piece in wire.passes(connection, direction, data):
                out[direction] += piece

    asyncio.run(play())
    assert wire.lost == 0
    return notes.words, out, connection.replies


@pytest.fixture(scope="module")
def tapes(shared_wire: Wired) -> list[list[Piece]]:
    """One recording a way to commit, from its first byte."""
    wired = shared_wire
    tape = Tape()
    wired.link.install(tape)
    for body in WAYS.values():
        assert wired.here(body) == "ok"
        wired.tell(f"DELETE FROM {wired.table}")
    with psycopg.connect(wired.link.dsn, autocommit=True) as client:
        with pytest.raises(psycopg.errors.DivisionByZero):
            client.execute("SELECT 1/0")
        client.execute("SELECT repeat('x', 100) FROM generate_series(1, 3000)").fetchall()
    wired.link.remove(tape)
    return [
        [(way, b"".join(data for _, data in run)) for way, run in groupby(pieces, key=lambda piece: piece[0])]
        for pieces in tape.heard.values()
    ]


PLEA = b"".join((8).to_bytes(4, "big") + code.to_bytes(4, "big") for code in (80877104, 80877103))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, len(WAYS) + 1), sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_however_the_bytes_are_split_the_meaning_is_the_same(
    tapes: list[list[Piece]], which: int, sizes: list[int]
) -> None:
    tape = tapes[which % len(tapes)]
    whole = replay(tape)
    first = (UP, PLEA + tape[0][1])
    split = replay([piece for run in (first, *tape[1:]) for piece in _cut(run, sizes)])
    assert split[:2] == whole[:2]
    assert split[2] == b"NN"
    assert whole[1] == {way: b"".join(d for w, d in tape if w is way) for way in (UP, DOWN)}


def test_every_recording_means_something(tapes: list[list[Piece]]) -> None:
    assert len(tapes) == len(WAYS) + 1
    heard = [replay(tape)[0] for tape in tapes]
    assert all(any(word.startswith("proof") for word in words) for words in heard[:-1])
    assert [word for word in heard[-1] if not word.startswith("statements")] == ["failure 22012"]


def _cut(run: Piece, sizes: list[int]) -> list[Piece]:
    way, data = run
    pieces: list[Piece] = []
    at = 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        if at > 4096:  # a long run of rows: not byte by byte to its end
            size = 4099
        pieces.append((way, data[at : at + size]))
        at += size
    return pieces


def test_of_a_huge_message_little_is_kept() -> None:
    frames = Frames(CLIENT_HEADS, CLIENT_TYPES)
    body = b"INSERT INTO t VALUES " + b"(1, 'x'), " * 500_000 + b"(2, 'y'); COMMIT\0"
    stream = b"Q" + (len(body) + 4).to_bytes(4, "big") + body
    seen = [m for at in range(0, len(stream), 65536) for m in frames.feed(stream[at : at + 65536])]
    assert len(seen) == 1
    assert len(seen[0].head) == CLIENT_HEADS[b"Q"]
    assert seen[0].tail == body[-256:]
    talk = Talk()
    commits = [event.commit for event in talk.client(seen[0]) if isinstance(event, Trigger)]
    assert [(commit.action, commit.object) for commit in commits] == [("COMMIT", "t")]


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_not_postgres_passes_unheard(data: bytes) -> None:
    with pytest.raises(Desync):
        greeting(data)
    talk = Talk()
    passed, reply, rest = talk.greet(data)
    assert (passed + rest, reply, talk.lost) == (data, b"", True)


@given(st.binary(max_size=400))
def test_noise_is_passed_on_as_it_came(noise: bytes) -> None:
    wire, connection = PostgresWire(), Recorded()
    wire.connects(1)
    wire.add(Notes())

    async def play() -> bytes:
        out = b""
        for direction in (DOWN, DOWN):
            async for piece in wire.passes(connection, direction, noise):
                out += piece
        return out

    assert asyncio.run(play()) == noise + noise
