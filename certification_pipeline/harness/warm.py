"""Engine processes that stay between loads: one an engine, and one for each environment of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from certification_pipeline.harness.engines.session import EngineSession

Start = Callable[[str, Mapping[str, str] | None], EngineSession]
"""A new process of that engine, with these variables beside those that every process of it gets."""


class WarmEngines:
    """Started when first needed; a dead one is replaced at the next load, as a scheduler would do."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._sessions: dict[str, EngineSession] = {}

    def session(self, engine: str, environment: Mapping[str, str] | None = None) -> EngineSession:
        """The process of that engine; a new one when the last died or broke the protocol.

        Raises ``EngineError``, and what starting one raises.
        """
        name = _process_name(engine, environment)
        session = self._sessions.get(name)
        if session is None or not session.alive:
            if session is not None:
                session.close()
            session = self._sessions[name] = self._start(engine, environment)
            session.describe()
        return session

    def end_all_but(self, engine: str) -> None:
        """Keep that engine's usual process alone: who works engine by engine is done with the others."""
        for name in [name for name in self._sessions if name != engine]:
            self._sessions.pop(name).close()

    def kill(self) -> None:
        """End them, whatever they are doing; from any thread."""
        for session in list(self._sessions.values()):
            session.kill()

    def close(self) -> None:
        """End them; idempotent."""
        for session in list(self._sessions.values()):
            session.close()


def _process_name(engine: str, environment: Mapping[str, str] | None = None) -> str:
    """What tells processes of one engine apart."""
    return " ".join([engine, *(f"{name}={value}" for name, value in sorted((environment or {}).items()))])
