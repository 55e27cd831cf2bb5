"""What is worked out once, however often it is asked for, while somebody goes over all of a ledger."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """Remembers nothing outside of :meth:`remembering`, and nothing after it; each context has its own.

    Sound only where nobody waits for what is written in the meantime.
    """

    def __init__(self, name: str) -> None:
        self._known: ContextVar[dict[K, V] | None] = ContextVar(name, default=None)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """While it lasts each key's value is made once."""
        token = self._known.set({})
        try:
            yield
        finally:
            self._known.reset(token)

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of that key."""
        known = self._known.get()
        if known is None:
            return make()
        if key not in known:
            known[key] = make()
        return known[key]
