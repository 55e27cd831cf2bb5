"""The seeds' matrix: source -> sink pairs x strategies."""

from __future__ import annotations

from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import Strategy


class MatrixRule(Entry):
    """Which pairs a strategy applies to."""

    sources: tuple[str, ...] | None = None
    not_sinks: tuple[str, ...] = ()


class MatrixPairs(Entry):
    """The seeds' source -> sink matrix: pairs x strategies, with the exclusions that give 237."""

    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    strategies: dict[Strategy, MatrixRule]

    def cases(self) -> tuple[tuple[str, str, Strategy], ...]:
        """Every (source, sink, strategy) of the matrix, in the order it is written down."""
        return tuple(
            (source, sink, strategy)
            for source in self.sources
            for sink in self.sinks
            for strategy, rule in self.strategies.items()
            if source in (self.sources if rule.sources is None else rule.sources)
            and sink not in rule.not_sinks
        )
