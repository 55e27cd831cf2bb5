"""Enough kills to say a guarantee from: at every boundary, and at random moments in between."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from certification_pipeline.catalog.vocabulary import Disturbable
from certification_pipeline.evidence.delivery import ENOUGH, DeliveryKill, DeliveryTrials
from certification_pipeline.evidence.disruption import Break
from certification_pipeline.evidence.trials import TrialVerdict
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.exploration.boundaries import CleanRun, fault_at, record
from certification_pipeline.harness.exploration.breaking import break_load, rest, verdict
from certification_pipeline.harness.exploration.tables import Tables, sides_with
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.process import AfterSeconds, Kill

_RANDOM_AT_LEAST = ENOUGH // 3
_MISSES = ENOUGH
"""Kills that may come too late, or never, before it is given up: then there are too few, and no verdict."""
_SIDES: tuple[tuple[str, Break], ...] = (("before", "kill_before"), ("after", "kill_after"))


@dataclass(frozen=True, slots=True)
class _Moment:
    words: str
    fault: Callable[[], Fault]


def exactly_once(bench: Bench) -> None:
    """Kill loads, one a change round, until enough kills fired; recover and judge each; at last at rest."""
    bench.delivery = DeliveryTrials(kills=(), seed=bench.station.planned.seed)
    with Tables(bench, sides_with(bench, Disturbable.COMMITS)) as tables:
        clean = record(tables.changed())
        moments = _Moments(clean, bench.delivery.seed)
        wanted = max(ENOUGH, 2 * len(clean.points) + _RANDOM_AT_LEAST)
        misses = 0
        while len(bench.delivery.kills) < wanted and misses < _MISSES:
            kill = _kill(tables, moments.next(), len(bench.delivery.kills) + 1, wanted)
            if kill is None:
                misses += 1
                moments.shorten(bench.loads[-1].seconds)
                continue
            kills = (*bench.delivery.kills, kill)
            bench.delivery = bench.delivery.model_copy(update={"kills": kills})


class _Moments:
    """Both sides of every boundary first, then random moments without end."""

    def __init__(self, clean: CleanRun, seed: int) -> None:
        self._seconds = clean.seconds
        self._chance = random.Random(seed)  # noqa: S311 - must come again
        self._planned = [
            _Moment(f"{when} {point.address}", partial(fault_at, point, action))
            for point in clean.points
            for when, action in _SIDES
            if point.medium != "files" or action == "kill_after"
        ]

    def next(self) -> _Moment:
        if self._planned:
            return self._planned.pop(0)
        after = round(self._chance.uniform(0.0, self._seconds), 4)
        return _Moment(f"after {after:.4f} s", partial(Kill, AfterSeconds(after)))

    def shorten(self, seconds: float) -> None:
        """A load was over before its kill came: no random moment is later than that from now on."""
        self._seconds = min(self._seconds, seconds)


def _kill(tables: Tables, moment: _Moment, number: int, wanted: int) -> DeliveryKill | None:
    """``None`` when it did not fire: it does not count, and leaves no evidence."""
    prefix = f"kill {number} of {wanted}, {moment.words}: "
    table = tables.changed()
    broken = break_load(table, moment.fault(), prefix=prefix)
    if not broken.fired:
        table.faults.pop()
        tables.leave()
        return None
    last = tables.used_up or number == wanted
    if broken.recovered and last:
        rest(table)  # nothing is on its way any more: what is there now, stays
    if last or verdict(table, prefix) is not TrialVerdict.SAFE:
        tables.leave()
    return DeliveryKill(step=prefix, moment=moment.words, ended=broken.ended, reruns=broken.reruns)
