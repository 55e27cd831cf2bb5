"""A wire of ours between an engine and a service: everything passes, and can be counted, held and cut.

One asyncio loop a link, in a thread of its own; listens on 127.0.0.1 only. What happens on it is up to the
taps: a fault installs one for as long as it is armed, and connections that are open already feel it as well
as new ones. Where PostgreSQL is spoken, :attr:`Link.postgres` follows every conversation from its first byte.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from certification_pipeline.harness.faults.address import Address
from certification_pipeline.harness.faults.connection import Connection, Direction, Tap, reset_stranger
from certification_pipeline.harness.faults.postgres_wire import PostgresWire

_CHUNK = 1 << 16
_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")

T = TypeVar("T")


class Link:
    """A TCP proxy in front of the service that ``dsn`` names. ``ValueError``: a DSN without host."""

    def __init__(self, dsn: str) -> None:
        self._address = Address.of(dsn)
        self._direct = dsn
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[int, Connection] = {}
        self._taps: list[Tap] = []
        self.accepted = 0
        """Connections so far."""
        self.passed = {Direction.UP: 0, Direction.DOWN: 0}
        """Bytes handed on each way, on all connections."""
        self.port = 0
        self.postgres = PostgresWire() if self._address.postgres else None
        if self.postgres is not None:
            self._taps.append(self.postgres)

    @property
    def dsn(self) -> str:
        """The service's DSN with our address in it."""
        return self._address.at("127.0.0.1", self.port)

    @property
    def direct_dsn(self) -> str:
        """The service's own DSN, for what must not run through the wire."""
        return self._direct

    def open(self) -> None:
        """Listen."""
        self._thread.start()
        self.run(self._listen())

    def close(self) -> None:
        """Cut every connection and stop listening; idempotent."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self.run(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def install(self, tap: Tap) -> None:
        """From now on ``tap`` has a hand in every connection, open or new."""

        async def install() -> None:
            self._taps.append(tap)

        self.run(install())

    def remove(self, tap: Tap) -> None:
        """Take it off; idempotent, and a closed link has none. What it holds is for the tap to let go."""
        if self._loop.is_closed():
            return

        async def remove() -> None:
            with suppress(ValueError):
                self._taps.remove(tap)

        self.run(remove())

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Those that are open; for use in the link's loop."""
        return tuple(self._connections.values())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the link's loop, and wait for it; not from within."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, act: Callable[[], None]) -> None:
        """As :meth:`run`, for what does not wait; nothing, when the link is closed."""
        if self._loop.is_closed():
            return

        async def calling() -> None:
            act()

        self.run(calling())

    # --- in the loop --------------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except OSError:  # the service is not there: nor are we
            reset_stranger(writer)
        except asyncio.CancelledError:
            # The link is being closed. Streams would log a task that ends so as an error.
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        number = self.accepted
        try:
            if not all(tap.connects(number) for tap in self._taps):
                reset_stranger(writer)
                return
            service_reader, service_writer = await self._dial()
            connection = Connection(number, writer, service_writer)
            self._connections[number] = connection
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(connection, Direction.UP, reader))
                    both.create_task(self._pump(connection, Direction.DOWN, service_reader))
                connection.close()
            finally:
                if not (writer.is_closing() and service_writer.is_closing()):
                    connection.reset()
                del self._connections[number]
        finally:
            for tap in self._taps:
                tap.gone(number)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        path, tls = self._address.socket_path, self._address.tls
        if path is not None:
            return await asyncio.open_unix_connection(path)
        reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        if tls is not None:
            writer.write(_SSL_REQUEST)
            if await reader.readexactly(1) != b"S":
                writer.close()
                raise ConnectionRefusedError("the server has no TLS, and the DSN asks for it")
            await writer.start_tls(tls, server_hostname=self._address.host)
        return reader, writer

    async def _pump(self, connection: Connection, direction: Direction, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._pass(connection, direction, data, tuple(self._taps))
            if direction is Direction.DOWN:
                connection.service_ended.set()
            for tap in () if connection.cut else tuple(self._taps):
                await tap.ends(connection, direction)
            connection.half_close(direction)
        except OSError:
            # One end broke off: so does the other, as it would without us.
            if not connection.cut:
                connection.reset()
        finally:
            if direction is Direction.DOWN:
                connection.service_ended.set()

    async def _pass(
        self, connection: Connection, direction: Direction, data: bytes, taps: tuple[Tap, ...]
    ) -> None:
        """Through the taps one after the other, each piece as it comes, to the other end."""
        if not taps:
            await connection.hand_on(direction, data)
            self.passed[direction] += len(data)
            return
        async with aclosing(taps[0].passes(connection, direction, data)) as pieces:
            async for piece in pieces:
                await self._pass(connection, direction, piece, taps[1:])
