"""One connection through a wire of ours, and what may tap it. All of it lives in the link's loop."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import suppress
from enum import StrEnum

from certification_pipeline.catalog.vocabulary import Side

_LINGER_NOT = struct.pack("ii", 1, 0)


class Direction(StrEnum):
    """Which way bytes go."""

    UP = "up"
    """From the engine to the service."""
    DOWN = "down"
    """From the service to the engine."""


ROWS_GO = {Side.SOURCE: Direction.DOWN, Side.SINK: Direction.UP}
"""The way the rows of a load take on each side: what "after so many bytes" is counted in."""


class Connection:
    """A pair of sockets; counts what passed, and can be cut in several ways."""

    def __init__(self, number: int, client: asyncio.StreamWriter, service: asyncio.StreamWriter) -> None:
        self.number = number
        """The how-manieth of its link, from 1."""
        self.passed = {Direction.UP: 0, Direction.DOWN: 0}
        """Bytes handed on each way."""
        self.cut = False
        """Whether we ended it; nothing is passed on any more."""
        self.service_ended = asyncio.Event()
        """The service has closed its side."""
        self._client = client
        self._service = service

    async def hand_on(self, direction: Direction, data: bytes) -> None:
        """Pass bytes on. When it has been cut, what the service still says is dropped, and there is no more
        to say to it: ``ConnectionResetError``."""
        if self.cut and direction is Direction.UP:
            raise ConnectionResetError
        if self.cut or not data:
            return
        writer = self._service if direction is Direction.UP else self._client
        self.passed[direction] += len(data)
        writer.write(data)
        await writer.drain()

    def reply(self, data: bytes) -> None:
        """Answer the engine ourselves."""
        self._client.write(data)

    def half_close(self, direction: Direction) -> None:
        """The sender has no more to say; the other way stays open."""
        if self.cut:
            return
        writer = self._service if direction is Direction.UP else self._client
        with suppress(OSError):  # it is gone already
            if writer.can_write_eof():
                writer.write_eof()
            else:
                writer.close()

    def reset(self) -> None:
        """Cut both ends with RST: what was on its way is lost."""
        self.cut = True
        for writer in (self._client, self._service):
            _reset(writer)

    def reset_client(self) -> None:
        """RST to the engine; the service sees an ordinary end."""
        self.cut = True
        _reset(self._client)
        self._hang_up()

    async def hang_up(self, patience: float) -> bool:
        """End it for the service as the death of its client would; whether it has let go in so many seconds.

        PostgreSQL rolls an open transaction back before it lets go.
        """
        self.cut = True
        self._hang_up()
        try:
            async with asyncio.timeout(patience):
                await self.service_ended.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Both ends, in good order."""
        self._client.close()
        self._service.close()

    def _hang_up(self) -> None:
        with suppress(OSError):
            if self._service.can_write_eof():
                self._service.write_eof()
            else:
                self._service.close()


class Tap:
    """What listens in on a link's connections, those that are open already too; by itself it changes nothing.

    Called in the link's loop only; must not block it.
    """

    def connects(self, number: int) -> bool:
        """Whether a new connection may be; one that may not is reset, and the service never hears of it."""
        return True

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        """What goes on of these bytes. To hold them is to wait before the next piece."""
        yield data

    async def ends(self, connection: Connection, direction: Direction) -> None:
        """The sender closed its side; that is passed on when this returns."""

    def gone(self, number: int) -> None:
        """The connection is over, or never came about."""


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # it is gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


def reset_stranger(writer: asyncio.StreamWriter) -> None:
    """RST to somebody who never became a connection."""
    _reset(writer)
