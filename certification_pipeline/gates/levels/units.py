"""What levels are granted to: connectors, and routes where a policy speaks of combinations."""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.catalog.policies import Unit
from certification_pipeline.gates.levels.state import State


@dataclass(frozen=True, slots=True)
class Certified:
    """``connectors`` are those whose pages and checklists speak for it: its own, or both ends'."""

    name: str
    unit: Unit
    roles: tuple[str, ...]
    connectors: tuple[str, ...]

    @property
    def place(self) -> str:
        """``duckdb`` or ``postgres_to_duckdb``: the name without the engine."""
        return self.name.partition("/")[2]


def certified(engine: str, state: State) -> list[Certified]:
    """Everything the subject's releases claim, by name."""
    return [_of(engine, name, roles) for name, roles in sorted(state.roles.items())]


def _of(engine: str, name: str, roles: set[str]) -> Certified:
    if roles == {"route"}:
        source, _, sink = name.removeprefix(f"{engine}/").partition("_to_")
        ends = tuple(dict.fromkeys((f"{engine}/{source}", f"{engine}/{sink}")))
        return Certified(name, Unit.ROUTE, ("route",), ends)
    ordered = tuple(role for role in ("source", "sink") if role in roles)
    return Certified(name, Unit.CONNECTOR, ordered, (name,))
