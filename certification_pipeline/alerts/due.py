"""Everything that is worth a notice now, or some kinds of it, in one pass over the evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from certification_pipeline.alerts.kinds import Alert
from certification_pipeline.alerts.levels import (
    expiring_notice,
    level_notices,
    other_version,
    read_levels,
)
from certification_pipeline.alerts.red_gate import gate_notices
from certification_pipeline.alerts.ticks import SEEDS, calendars, missed_notices
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.evidence.chain_dir import chained_engines
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.levels.history import History
from certification_pipeline.notify.notice import Notice
from certification_pipeline.timetable import Timetable


@dataclass(frozen=True)
class Asked:
    """How far back and ahead is looked."""

    now: datetime
    lookback: timedelta = timedelta(days=3)
    within: timedelta = timedelta(days=7)
    link: str | None = None
    trusted: Collection[PublicKey] = ()
    times: Timetable = SEEDS

    @property
    def since(self) -> datetime:
        """What became so before is no news."""
        return self.now - self.lookback


@dataclass(frozen=True)
class Due:
    """``problems``: what could not be looked at, in words."""

    notices: tuple[Notice, ...]
    problems: tuple[str, ...] = ()


def due(store: EvidenceStore, asked: Asked, alerts: Collection[Alert] = tuple(Alert)) -> Due:
    """Everything of those kinds. What cannot be read hides nothing else."""
    notices: list[Notice] = []
    looking = _Pass(store, asked)
    for alert in Alert:
        if alert in alerts:
            try:
                notices += _LOOKS[alert](looking)
            except EvidenceError as error:
                looking.problems.append(str(error))
    return Due(tuple(notices), tuple(looking.problems))


class _Pass:
    """One look at the evidence, for every alert alike."""

    def __init__(self, store: EvidenceStore, asked: Asked) -> None:
        self.store, self.asked = store, asked
        self.problems: list[str] = []

    @cached_property
    def levels(self) -> tuple[tuple[ConnectorLevels, History], ...]:
        """Of every engine whose ledger can be read; worked out once, what cannot be is a problem once."""
        found = []
        for engine in chained_engines(self.store.root):
            try:
                found.append(read_levels(self.store, engine, self.asked.now, self.asked.trusted))
            except EvidenceError as error:
                self.problems.append(str(error))
        return tuple(found)

    def gate(self) -> Iterator[Notice]:
        """What cannot be read is a notice itself."""
        asked = self.asked
        yield from gate_notices(self.store, asked.now, asked.lookback, asked.link)

    def changed(self) -> Iterator[Notice]:
        """Levels gained and lost."""
        asked, policies = self.asked, tuple(load_catalog().policies.values())
        for levels, history in self.levels:
            yield from level_notices(levels, asked.since, asked.now, asked.link)
            yield from other_version(history, policies, levels, asked.since, asked.link)

    def expiring(self) -> Iterator[Notice]:
        """At most one an engine."""
        asked = self.asked
        for levels, _ in self.levels:
            notice = expiring_notice(levels, asked.now, asked.within, asked.link)
            if notice is not None:
                yield notice

    def ticks(self) -> Iterator[Notice]:
        """Scheduled days that nobody observed."""
        asked = self.asked
        kept = calendars(self.store, asked.now, asked.times)
        yield from missed_notices(kept, asked.now, asked.lookback, asked.link, asked.times)


_LOOKS: dict[Alert, Callable[[_Pass], Iterator[Notice]]] = {
    Alert.RED_GATE: _Pass.gate,
    Alert.LEVELS: _Pass.changed,
    Alert.EXPIRING: _Pass.expiring,
    Alert.MISSED_TICKS: _Pass.ticks,
}
