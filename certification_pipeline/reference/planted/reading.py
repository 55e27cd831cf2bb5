"""Streams that end before their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import psycopg

T = TypeVar("T")


def until_broken(stream: Iterable[T], go_on: Callable[[], None]) -> Iterator[T]:
    """:attr:`Defect.BROKEN_STREAM_ENDS`: what came before the connection broke is taken for all there is."""
    try:
        yield from stream
    except psycopg.OperationalError:
        go_on()
