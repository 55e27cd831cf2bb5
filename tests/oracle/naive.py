"""The ten strategies once more, as plain Python over dictionaries: what the SQL models are held against."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import LoadOptions

from .fake import FakeWorkload, Row

Source = dict[int, Row]
Loaded = tuple[Source, LoadOptions]


def sink_rows(
    strategy: Strategy,
    workload: FakeWorkload,
    loads: Sequence[int],
    options: Sequence[LoadOptions],
    deletes: bool | None,
) -> list[Row]:
    """The rows of the sink after those loads."""
    loaded = [(workload.source_after(round_), one) for round_, one in zip(loads, options, strict=True)]
    return _STRATEGIES[strategy](loaded, deletes)


def full_refresh(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    return list(loads[-1][0].values()) if loads else []


def mirror(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    return full_refresh(loads, deletes) if deletes is not False else xmin(loads, None)


def xmin(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    if deletes:
        return full_refresh(loads, deletes)
    sink: Source = {}
    for source, _ in loads:
        sink |= source
    return list(sink.values())


def _selected(source: Source, options: LoadOptions, high_water: dt.datetime | None) -> list[Row]:
    chosen = []
    for row in source.values():
        cursor = row["updated_at"]
        if cursor is None:
            take = options.cursor_nulls == "include"
        else:
            late = dt.timedelta(seconds=options.lookback_seconds)
            take = high_water is None or cursor >= high_water - late
        if take:
            chosen.append(row)
    return chosen


def append(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    sink: list[Row] = []
    seen: set[tuple[int, Any]] = set()
    for source, options in loads:
        high_water = max((r["updated_at"] for r in sink if r["updated_at"]), default=None)
        for row in _selected(source, options, high_water):
            if (row["id"], row["updated_at"]) not in seen:
                seen.add((row["id"], row["updated_at"]))
                sink.append(row)
    return sink


def merge(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    sink: Source = {}
    high_water = None
    for source, options in loads:
        chosen = _selected(source, options, high_water)
        cursors = [r["updated_at"] for r in chosen if r["updated_at"]]
        high_water = max([*cursors, *([high_water] if high_water else [])], default=None)
        sink |= {row["id"]: row for row in chosen}
        if deletes:
            sink = {key: row for key, row in sink.items() if key in source}
    return list(sink.values())


def _in_slice(row: Row, options: LoadOptions) -> bool:
    if options.partition_from is None and options.partition_to is None:
        return True
    day = row["business_date"]
    if day is None:
        return False
    return (options.partition_from is None or day.isoformat() >= options.partition_from) and (
        options.partition_to is None or day.isoformat() < options.partition_to
    )


def replace(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    sink: list[Row] = []
    for source, options in loads:
        sink = [r for r in sink if not _in_slice(r, options)]
        sink += [r for r in source.values() if _in_slice(r, options)]
    return sink


def partition_replace(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    sink: dict[Any, list[Row]] = {}
    for source, options in loads:
        extract: dict[Any, list[Row]] = {}
        for row in source.values():
            if _in_slice(row, options):
                extract.setdefault(row["business_date"], []).append(row)
        sink |= extract
    return [row for rows in sink.values() for row in rows]


def backfill(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    sink: list[Row] = []
    committed: set[dt.date] = set()
    for source, options in loads:
        days = [r["business_date"] for r in source.values() if r["business_date"]]
        low = (
            dt.date.fromisoformat(options.partition_from)
            if options.partition_from
            else min(days, default=None)
        )
        high = (
            dt.date.fromisoformat(options.partition_to) - dt.timedelta(days=1)
            if options.partition_to
            else max(days, default=None)
        )
        if low is None or high is None:
            continue
        chunk = low
        while chunk <= high:
            if chunk not in committed:
                sink += [r for r in source.values() if r["business_date"] == chunk]
                committed.add(chunk)
            chunk += dt.timedelta(days=1)
    return sink


def scd2(loads: Sequence[Loaded], deletes: bool | None) -> list[Row]:
    """With ``valid_from`` and ``valid_to`` as an engine would write them."""
    history: list[Row] = []
    for number, (source, _) in enumerate(loads):
        now = dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=number)
        open_rows = {r["id"]: r for r in history if r["valid_to"] is None}
        for key, old in open_rows.items():
            new = source.get(key)
            changed = new is not None and any(repr(new[c]) != repr(old[c]) for c in new)
            if changed or (new is None and deletes is not False):
                old["valid_to"] = now
        still_open = {r["id"] for r in history if r["valid_to"] is None}
        history += [
            {**row, "valid_from": now, "valid_to": None}
            for key, row in source.items()
            if key not in still_open
        ]
    return history


_STRATEGIES: dict[Strategy, Callable[[Sequence[Loaded], bool | None], list[Row]]] = {
    Strategy.FULL_REFRESH: full_refresh,
    Strategy.REPLACE: replace,
    Strategy.INCREMENTAL_APPEND: append,
    Strategy.INCREMENTAL_MERGE: merge,
    Strategy.SNAPSHOT_DIFF: mirror,
    Strategy.XMIN: xmin,
    Strategy.CDC: mirror,
    Strategy.PARTITION_REPLACE: partition_replace,
    Strategy.SCD2: scd2,
    Strategy.BACKFILL: backfill,
}
