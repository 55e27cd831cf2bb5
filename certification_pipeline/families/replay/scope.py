"""The scope of a resync: as asked for or chosen, checked, and counted before anything is touched."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import ReplayKind
from certification_pipeline.evidence.replay import ReplayScope
from certification_pipeline.families.replay.runs import EarlierRun, ReplayError
from certification_pipeline.harness.engines.protocol import Replay
from certification_pipeline.harness.oracle.oracle import Region
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.slices import slice_of
from certification_pipeline.harness.workload.tables import build_workload

SMALL_ROWS = 300
"""Rows on which the family rebuilds the runs it chooses itself; a run asked for by its id gets all of its."""
_EPOCH = dt.date(1970, 1, 1)
_SEE = "see `certify replay plan --help`"


@dataclass(frozen=True)
class Asked:
    """What a person typed. ISO dates for a window or a partition, integers for keys; stops are exclusive."""

    kind: ReplayKind
    start: str | None = None
    stop: str | None = None


@dataclass(frozen=True)
class PlannedReplay:
    """One replay, ready to be done."""

    run: EarlierRun
    kind: ReplayKind
    scope: ReplayScope | None
    region: Region | None
    rounds: tuple[int, ...]
    """Of the loads that are rebuilt before anything is done."""
    at_round: int
    """Change rounds that the source has seen when the replay reads it."""
    rows_in_scope: int
    workload: Workload
    """As rebuilt: the run's own rows, or fewer of the same seed (see :data:`SMALL_ROWS`)."""

    @property
    def request(self) -> Replay:
        """For the engine."""
        if self.scope is None:
            return Replay(kind=self.kind, run_id=self.run.run_id)
        return Replay(kind=self.kind, run_id=self.run.run_id, **self.scope.model_dump())


def plan_replay(run: EarlierRun, asked: Asked, most_rows: int | None = None) -> PlannedReplay:
    """Check what was asked for about that run. Raises :class:`ReplayError`; touches nothing.

    ``most_rows`` rebuilds the run on fewer rows: the same workload, seed and history.
    """
    workload = rebuilt_workload(run, most_rows)
    rounds = run.rounds
    if asked.kind is ReplayKind.RESUME and repeats_itself(run):
        rounds = rounds[:-1]
    # What is new at the source must be there after the replay (resume) or be left for the next load (resync).
    at_round = min(run.rounds[-1] + 1, workload.changes)
    if asked.kind is ReplayKind.RESUME:
        rows = len(rows_at(workload, at_round))
        return PlannedReplay(run, asked.kind, None, None, rounds, at_round, rows, workload)
    scope, region = _checked(run, asked, workload)
    now = len(_inside(rows_at(workload, at_round), region))
    then = len(_inside(rows_at(workload, run.rounds[-1]), region))
    if now == then == 0:
        what = "partition" if asked.kind is ReplayKind.PARTITION else "scope"
        raise ReplayError(
            f"there is no such {what}: neither the run nor the source now has a row in {_words(scope)}",
            f"the workload's dates are {workload.partition_days[0]} to {workload.partition_days[-1]}, "
            f"its keys {workload.recipe.first_key} to {workload.recipe.first_key + workload.rows - 1}",
        )
    return PlannedReplay(run, asked.kind, scope, region, rounds, at_round, now, workload)


def repeats_itself(run: EarlierRun) -> bool:
    """Whether a resume breaks the run itself: a backfill that was done once has nothing left to break."""
    return run.key.strategy.value == "backfill"


def rebuilt_workload(run: EarlierRun, most_rows: int | None = None) -> Workload:
    """The run's rows and change rounds, or a smaller table made in the same way."""
    rows = run.planned.rows if most_rows is None else min(run.planned.rows, most_rows)
    return build_workload(run.workload, rows, run.planned.seed)


def usual_scope(workload: Workload, kind: ReplayKind) -> Asked:
    """A scope with rows inside and on both sides, for a replay nobody chose a scope for."""
    days = workload.partition_days
    match kind:
        case ReplayKind.WINDOW:
            return Asked(kind, days[3].isoformat(), days[6].isoformat())
        case ReplayKind.PARTITION:
            return Asked(kind, days[4].isoformat())
        case ReplayKind.KEY_RANGE:
            first = workload.recipe.first_key
            return Asked(kind, str(first + workload.rows // 4), str(first + workload.rows // 2))
        case ReplayKind.RESUME:
            return Asked(kind)


def _checked(run: EarlierRun, asked: Asked, workload: Workload) -> tuple[ReplayScope, Region]:
    spec = workload.spec
    if asked.kind is ReplayKind.KEY_RANGE:
        low, high = _integer("--key-from", asked.start), _integer("--key-to", asked.stop)
        column, start, stop = spec.primary_key[0], str(low), str(high)
    else:
        partition = asked.kind is ReplayKind.PARTITION
        first = _date("--partition" if partition else "--from", asked.start)
        last = first + dt.timedelta(days=1) if partition else _date("--to", asked.stop)
        low, high = (first - _EPOCH).days, (last - _EPOCH).days
        column, start, stop = str(spec.partition), first.isoformat(), last.isoformat()
        _inside_slice(run, workload, first, last)
    if low >= high:
        raise ReplayError(f"[{start}, {stop}) is empty: it ends before it begins", "give a later end")
    of = ReplayScope(column=column, start=start, stop=None if asked.kind is ReplayKind.PARTITION else stop)
    kind = "key" if asked.kind is ReplayKind.KEY_RANGE else "partition"
    return of, Region(of="key" if kind == "key" else "partition", column=column, start=low, stop=high)


def _inside_slice(run: EarlierRun, workload: Workload, first: dt.date, last: dt.date) -> None:
    low, high = slice_of(run.key.strategy, workload)
    if low is None or high is None:
        return
    if first < low or last > high:
        raise ReplayError(
            f"[{first}, {last}) reaches beyond the slice [{low}, {high}) that run {run.run_id} was about",
            "choose a scope inside the slice",
        )


def _date(option: str, value: str | None) -> dt.date:
    if value is None:
        raise ReplayError(f"{option} is missing", _SEE)
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ReplayError(f"{option} {value!r} is no ISO date", "write it as 2024-05-23") from None


def _integer(option: str, value: str | None) -> int:
    if value is None:
        raise ReplayError(f"{option} is missing", _SEE)
    try:
        return int(value)
    except ValueError:
        raise ReplayError(f"{option} {value!r} is no integer", "the primary key is an integer") from None


def _words(scope: ReplayScope) -> str:
    if scope.stop is None:
        return f"{scope.column} = {scope.start}"
    return f"{scope.column} in [{scope.start}, {scope.stop})"


# --- what the source holds, without a source ------------------------------------------------------------


def rows_at(workload: Workload, round_: int) -> dict[int, dt.date | None]:
    """Key -> partition date of every row of the source after that change round."""
    key, partition = workload.spec.primary_key[0], str(workload.spec.partition)
    found: dict[int, dt.date | None] = {}
    for batch in workload.initial():
        found.update(zip(batch.column(key).to_pylist(), batch.column(partition).to_pylist(), strict=True))
    for index in range(1, round_ + 1):
        change = workload.change(index)
        for rows in (change.inserts, change.updates):
            found.update(zip(rows.column(key).to_pylist(), rows.column(partition).to_pylist(), strict=True))
        for gone in change.deletes.column(key).to_pylist():
            found.pop(gone, None)
    return found


def keys_ever_in(workload: Workload, last_round: int, region: Region) -> frozenset[int]:
    """Keys of which some version up to that round lies in the region."""
    rounds = range(last_round + 1)
    return frozenset(key for round_ in rounds for key in _inside(rows_at(workload, round_), region))


def _inside(rows: dict[int, dt.date | None], region: Region) -> list[int]:
    if region.of == "key":
        return [key for key in rows if region.start <= key < region.stop]
    days = {key: (day - _EPOCH).days for key, day in rows.items() if day is not None}
    return [key for key, day in days.items() if region.start <= day < region.stop]


def asked_for(
    action: str,
    *,
    window: tuple[str | None, str | None] = (None, None),
    partition: str | None = None,
    keys: tuple[str | None, str | None] = (None, None),
    run_id: str | None = None,
) -> Asked | None:
    """What a command's options ask for; ``None`` without a run: then all that is declared.

    Raises :class:`ReplayError` unless they name exactly one scope.
    """
    given = [
        kind
        for kind, values in (
            (ReplayKind.WINDOW, window),
            (ReplayKind.PARTITION, (partition,)),
            (ReplayKind.KEY_RANGE, keys),
        )
        if any(value is not None for value in values)
    ]
    if run_id is None:
        if given:
            raise ReplayError("a scope without a run: of what?", "give --run-id; see `certify replay list`")
        return None
    if action == "resume":
        if given:
            raise ReplayError("a resume has no scope: it goes on where the load broke", "leave the scope out")
        return Asked(ReplayKind.RESUME)
    if action != "resync":
        raise ReplayError(f"there is no action {action!r}", "choose resync or resume")
    if len(given) != 1:
        raise ReplayError(
            "a resync needs one scope" if not given else "a resync has one scope, not several",
            "give --from and --to, or --partition, or --key-from and --key-to",
        )
    match given[0]:
        case ReplayKind.WINDOW:
            return Asked(ReplayKind.WINDOW, *window)
        case ReplayKind.PARTITION:
            return Asked(ReplayKind.PARTITION, partition)
        case _:
            return Asked(ReplayKind.KEY_RANGE, *keys)
