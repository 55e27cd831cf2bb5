"""Where every entry of a catalogue stands, so that a problem can point at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from certification_pipeline.catalog.problems import Problem, nearest
from certification_pipeline.catalog.validation import Location, locate
from certification_pipeline.catalog.yaml_tree import Mark, Node


@dataclass(slots=True)
class References:
    """Where every entry stands, by kind (``systems``, ``engines`` …) and id."""

    _nodes: dict[tuple[str, str], tuple[Node, Mark]] = field(default_factory=dict)

    def add(self, kind: str, name: str, node: Node, *, key: Mark | None = None) -> None:
        """Remember an entry; ``key`` is the place to point at when its name is wrong."""
        self._nodes[kind, name] = (node, key or node.mark)

    def node(self, kind: str, name: str) -> Node | None:
        """Where it stands, or ``None``."""
        found = self._nodes.get((kind, name))
        return found[0] if found else None

    def known(self, kind: str) -> set[str]:
        """The ids of that kind."""
        return {name for of, name in self._nodes if of == kind}

    def problem(self, kind: str, name: str, location: Location, message: str, remedy: str) -> Problem:
        """A problem at a place inside an entry (at its own name for an empty location)."""
        root, key = self._nodes[kind, name]
        if not location:
            return root.problem(message, remedy, key=key)
        node, _, rest = locate(root, location)
        return node.problem(message, remedy, field=rest)


def unknown(
    references: References, target: str, used: str, entry: tuple[str, str], location: Location
) -> Iterator[Problem]:
    """One problem if ``used``, at a place inside ``entry``, is not among the ids of kind ``target``."""
    if used not in (known := references.known(target)):
        message = f"no {target.removesuffix('s')} `{used}`"
        yield references.problem(*entry, location, message, nearest(used, known))
