"""Everything that is worth a notice now, or some kinds of it, in one pass over the evidence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

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
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
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
    problems: list[str] = []
    for alert in Alert:
        if alert in alerts:
            try:
                notices += _LOOKS[alert](store, asked, problems)
            except EvidenceError as error:
                problems.append(str(error))
    return Due(tuple(notices), tuple(problems))


def _gate(store: EvidenceStore, asked: Asked, problems: list[str]) -> Iterator[Notice]:
    del problems  # what cannot be read is a notice itself
    yield from gate_notices(store, asked.now, asked.lookback, asked.link)


def _levels(store: EvidenceStore, asked: Asked, problems: list[str]) -> Iterator[Notice]:
    policies = tuple(load_catalog().policies.values())
    for engine in chained_engines(store.root):
        try:
            levels, history = read_levels(store, engine, asked.now, asked.trusted)
        except EvidenceError as error:
            problems.append(str(error))
            continue
        yield from level_notices(levels, asked.since, asked.now, asked.link)
        yield from other_version(history, policies, levels, asked.since, asked.link)


def _expiring(store: EvidenceStore, asked: Asked, problems: list[str]) -> Iterator[Notice]:
    for engine in chained_engines(store.root):
        try:
            levels, _ = read_levels(store, engine, asked.now, asked.trusted)
        except EvidenceError as error:
            problems.append(str(error))
            continue
        notice = expiring_notice(levels, asked.now, asked.within, asked.link)
        if notice is not None:
            yield notice


def _ticks(store: EvidenceStore, asked: Asked, problems: list[str]) -> Iterator[Notice]:
    del problems
    kept = calendars(store, asked.now, asked.times)
    yield from missed_notices(kept, asked.now, asked.lookback, asked.link, asked.times)


_LOOKS: dict[Alert, Callable[[EvidenceStore, Asked, list[str]], Iterator[Notice]]] = {
    Alert.RED_GATE: _gate,
    Alert.LEVELS: _levels,
    Alert.EXPIRING: _expiring,
    Alert.MISSED_TICKS: _ticks,
}
