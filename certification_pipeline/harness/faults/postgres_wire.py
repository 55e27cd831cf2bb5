"""Follows the PostgreSQL conversations of a link, and lets listeners come between cause and effect.

A conversation it cannot follow (encrypted, or in no protocol of ours) passes untouched and unheard: what
listeners then do not hear they do not witness.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from itertools import product

from certification_pipeline.harness.faults.connection import Connection, Direction, Tap
from certification_pipeline.harness.faults.postgres_events import Event
from certification_pipeline.harness.faults.postgres_frames import (
    CLIENT_HEADS,
    CLIENT_TYPES,
    SERVICE_HEADS,
    SERVICE_TYPES,
    Desync,
    Frames,
    Message,
    greeting,
)
from certification_pipeline.harness.faults.postgres_protocol import Conversation


class Listener:
    """What hears the events of all conversations on a wire. Called in the link's loop."""

    async def hears(self, connection: Connection, talk: Talk, event: Event) -> None:
        """Before the bytes that bring it about have gone on; as long as this waits, they are held."""

    async def heard(self, connection: Connection, talk: Talk, event: Event) -> None:
        """After they have gone on; as long as this waits, what follows them is held."""


class Talk(Conversation):
    """A conversation with its bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.early = b""
        """Of a client's greeting, what is not complete yet."""
        self.greeting = True
        self.blind = False
        """We have lost it, or there is nothing to follow."""
        self.lost = False
        self._frames = {
            Direction.UP: Frames(CLIENT_HEADS, CLIENT_TYPES),
            Direction.DOWN: Frames(SERVICE_HEADS, SERVICE_TYPES),
        }

    def greet(self, data: bytes) -> tuple[bytes, bytes, bytes]:
        """Of a client's first messages: what goes on, what we answer ourselves, and what comes after them."""
        try:
            found = greeting(self.early + data)
        except Desync:
            self.blind = self.lost = True
            return self.early, b"", data
        self.greeting, self.blind = not found.ended, found.cancel
        self.early = b"" if found.ended else found.rest
        return found.passed, found.reply, found.rest if found.ended else b""

    def hear(self, direction: Direction, data: bytes) -> Iterator[tuple[Message, list[Event]]]:
        """The messages in these bytes that bring something about, and what."""
        meaning = self.client if direction is Direction.UP else self.server
        try:
            for message in self._frames[direction].feed(data):
                if events := list(meaning(message)):
                    yield message, events
        except Desync:
            self.blind = self.lost = True


class PostgresWire(Tap):
    """The first tap of a link to PostgreSQL, from the first byte of every connection."""

    def __init__(self) -> None:
        self.lost = 0
        """Conversations that could not be followed to their end."""
        self._talks: dict[int, Talk] = {}
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """In the link's loop."""
        self._listeners.append(listener)

    def discard(self, listener: Listener) -> None:
        """In the link's loop; idempotent."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def talk(self, connection: Connection) -> Talk:
        """What is said on it. In the link's loop."""
        return self._talks[connection.number]

    def connects(self, number: int) -> bool:
        """Begin to follow it."""
        self._talks[number] = Talk()
        return True

    def gone(self, number: int) -> None:
        """Forget it."""
        self._talks.pop(number, None)

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        """All of it, in pieces that end where something happens and somebody listens."""
        talk = self._talks[connection.number]
        lost_before = talk.lost
        if direction is Direction.UP and talk.greeting and not talk.blind:
            passed, reply, data = talk.greet(data)
            if reply:
                connection.reply(reply)
            yield passed
        if not talk.blind:
            sent = 0
            for message, events in talk.hear(direction, data):
                if not self._listeners:
                    continue
                yield data[sent : message.begins]
                for listener, event in product(tuple(self._listeners), events):
                    await listener.hears(connection, talk, event)
                yield data[message.begins : message.ends]
                sent = message.ends
                for listener, event in product(tuple(self._listeners), events):
                    await listener.heard(connection, talk, event)
            data = data[sent:]
        self.lost += talk.lost and not lost_before
        yield data
