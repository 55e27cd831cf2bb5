"""Which documented calls of Krishiv stand for which strategy and sink.

Krishiv has no notion of a cursor: what is new since the last load is a query over source and sink, and all
of it is Krishiv's own SQL. The sink is the only memory; nothing is kept in the state folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import krishiv  # type: ignore[import-not-found]
from certify_driver import Failure, Job  # type: ignore[import-not-found]
from failures import named  # type: ignore[import-not-found]

FILE = "part-0.parquet"

ROUTES = {
    ("parquet", "full_refresh"),
    ("parquet", "incremental_append"),
    ("delta", "full_refresh"),
    ("delta", "incremental_append"),
    ("hudi", "incremental_append"),
    ("hudi", "incremental_merge"),
}


def run(job: Job) -> dict[str, Any]:
    """The load; returns the counts that Krishiv itself reports (for Hudi only)."""
    if job.source.system != "parquet" or (job.sink.system, job.strategy) not in ROUTES:
        what = f"{job.strategy} from {job.source.system} to {job.sink.system}"
        raise Failure("unsupported", f"this driver does not run {what}")
    if getattr(job.options, "replay", None):
        raise Failure("unsupported", "Krishiv has no replay")
    if getattr(job.options, "lookback_seconds", 0):
        raise Failure("unsupported", "the query for new rows has no lookback")
    source = _place(job.source)
    if not source.is_dir():
        raise Failure("not_found", f"the source has no directory {job.source.name}")
    with named(job):
        session = krishiv.Session.embedded()
        job.phase("extract")
        frame = session.read_parquet(str(source))
        if job.strategy != "full_refresh":
            frame = new_rows(session, job, frame)
        job.phase("load")
        return write(session, job, frame)


def _place(thing: Any) -> Path:
    return Path(str(thing.dsn)) / str(thing.namespace) / str(thing.name)


def new_rows(session: Any, job: Job, frame: Any) -> Any:
    """The rows at or beyond the sink's highest cursor that the sink does not hold with that cursor."""
    if job.cursor is None:
        raise Failure("configuration", f"{job.strategy} needs a cursor")
    cursor, keys = quoted(job.cursor), [quoted(name) for name in job.primary_key]
    frame.create_or_replace_temp_view("source_rows")
    known = held(session, job)
    if known is None:
        return session.sql(f"SELECT * FROM source_rows WHERE {cursor} IS NOT NULL")
    known.create_or_replace_temp_view("sink_rows")
    same = " AND ".join(f"s.{name} = k.{name}" for name in [*keys, cursor])
    return session.sql(
        f"SELECT s.* FROM source_rows AS s LEFT ANTI JOIN sink_rows AS k ON {same} "
        f"WHERE s.{cursor} >= (SELECT max({cursor}) FROM sink_rows)"
    )


def held(session: Any, job: Job) -> Any | None:
    """What the sink holds, read by Krishiv; ``None`` when there is no row yet."""
    place = _place(job.sink)
    if not place.exists():
        return None
    readers = {
        "parquet": lambda: session.read_parquet(str(place)),
        "delta": lambda: krishiv.read_delta(session, str(place)),
        "hudi": lambda: krishiv.read_hudi(session, str(place)),
    }
    frame = readers[job.sink.system]()
    return frame if frame.num_rows() else None


def write(session: Any, job: Job, frame: Any) -> dict[str, Any]:
    """Write the rows as the strategy asks."""
    place = _place(job.sink)
    match job.sink.system, job.strategy:
        case "parquet", "full_refresh":
            place.mkdir(parents=True, exist_ok=True)
            frame.write_parquet(str(place / FILE))
        case "parquet", _:
            place.parent.mkdir(parents=True, exist_ok=True)
            frame.write_file(str(place), "parquet", mode="append")
        case "delta", strategy:
            place.parent.mkdir(parents=True, exist_ok=True)
            mode = "overwrite" if strategy == "full_refresh" else "append"
            krishiv.write_delta(str(place), frame.collect().batches(), mode=mode)
        case "hudi", strategy:
            place.parent.mkdir(parents=True, exist_ok=True)
            if strategy == "incremental_append":
                done = krishiv.write_hudi_append(session, str(place), frame)
            else:
                (key,) = job.primary_key
                done = krishiv.write_hudi_upsert(session, str(place), key, frame)
            return {
                "inserted_rows": done.rows_inserted,
                "updated_rows": done.rows_updated,
                "final_rows": done.snapshot_rows,
            }
    return {}


def quoted(name: str) -> str:
    """An identifier in Krishiv's SQL."""
    return '"' + name.replace('"', '""') + '"'
