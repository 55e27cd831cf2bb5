"""The engine protocol, version 1: JSON lines over stdin and stdout (DESIGN section 4).

The harness writes one request a line; the engine answers with event lines and ends each request with
exactly one ``described``, ``result``, ``error`` or (for ``stop``) its exit. What an engine reports is a
claim: nothing here is believed, the oracle reads the sink. Anything else the engine wants to say goes
to stderr.

An engine need not import this module (it may be a Go binary): these models are the contract, line by line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from certification_pipeline.catalog.vocabulary import FailureCategory, ReplayKind, Strategy
from certification_pipeline.harness.workload.spec import LogicalType

PROTOCOL_VERSION: Literal["1"] = "1"
MAX_LINE_BYTES = 1 << 20
"""A longer line from an engine is a protocol violation, not a reason to run out of memory."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# --- requests: harness -> engine -------------------------------------------------------------------


class ColumnSpec(_Message):
    """A column as the harness created it in the source."""

    name: str
    type: LogicalType
    nullable: bool = True


class DataObject(_Message):
    """One table (or directory of files) at an endpoint.

    ``system`` is the catalogue's name of the service kind (``postgres``, ``duckdb``, ``sqlite``,
    ``parquet`` …). ``dsn`` is a connection URL, or an absolute path for file-based systems: the
    database file of DuckDB and SQLite, the directory that holds one subdirectory a table for Parquet.
    ``namespace`` is the schema where the system has them (PostgreSQL, DuckDB), else empty.
    """

    system: str
    dsn: str = Field(repr=False)
    namespace: str = ""
    name: str


class Replay(_Message):
    """Do (a part of) an earlier run again, instead of the next load. An engine without it: ``unsupported``.

    The resyncs re-read a scope of the source into the sink: every key (for strategies that replace slices:
    every row) that has a row in the scope on either side becomes what the source has now; all else in the
    sink stays as it is, and so does the engine's state. ``resume`` goes on from the last committed checkpoint
    of a load that broke, and fails with ``state`` where there is none.
    """

    kind: ReplayKind
    run_id: str
    """The earlier run, for the engine's own log; it need not remember it."""
    column: str | None = None
    """The scope's column: the partition column or the one column of the primary key. Required to resync."""
    start: str | None = None
    """Inclusive; for ``partition`` the one value. As the source writes it: an ISO date, an integer."""
    stop: str | None = None
    """Exclusive; not for ``partition``."""


class LoadOptions(_Message):
    """Strategy options. An engine that cannot honour one it was given answers ``error: unsupported``."""

    partition_column: str | None = None
    partition_from: str | None = None
    """ISO date, inclusive: lower end of the slice for ``replace`` and ``backfill``."""
    partition_to: str | None = None
    """ISO date, exclusive: upper end of that slice."""
    cursor_nulls: Literal["include", "exclude"] = "include"
    """Whether incremental strategies take rows whose cursor is NULL."""
    lookback_seconds: int = 0
    """How far behind the high-water mark late rows are still looked for."""
    on_type_change: Literal["stop", "new_column"] = "stop"
    """What to do about an incompatible type change (seed 002, schema evolution guidance)."""
    batch_rows: int = 50_000
    staging_retention: Literal["drop", "keep"] = "drop"
    artifact: Literal["auto", "memory", "stream", "file", "partitioned_files", "object_storage"] = "auto"
    """Which canonical artifact (seed 002) the source should hand to the sink."""
    replay: Replay | None = None
    """Not the next load, but an earlier one again."""


class Describe(_Message):
    """Ask who the engine is."""

    type: Literal["describe"] = "describe"
    protocol: str = PROTOCOL_VERSION


class Load(_Message):
    """Ask for one load of one object; the engine ends it with ``result`` or ``error``."""

    type: Literal["load"] = "load"
    run_id: str
    source: DataObject
    sink: DataObject
    columns: tuple[ColumnSpec, ...]
    primary_key: tuple[str, ...]
    cursor: str | None = None
    strategy: Strategy
    options: LoadOptions = LoadOptions()
    state_dir: str
    """A directory of the engine's own, kept from load to load of one cell."""
    manifest_path: str = ""
    """What the run record must echo as its manifest (seed 004: 'Manifest path and selector')."""
    selector: str = ""


class Stop(_Message):
    """Ask the engine to end by itself."""

    type: Literal["stop"] = "stop"


Request = Annotated[Describe | Load | Stop, Field(discriminator="type")]


# --- events: engine -> harness ---------------------------------------------------------------------


class Described(_Message):
    """Who the engine is; ``artifact_digest`` is ``sha256:<hex>`` of what was installed."""

    type: Literal["described"] = "described"
    protocol: str
    engine: str
    version: str
    artifact_digest: str = ""
    details: dict[str, JsonValue] = {}


class Phase(_Message):
    """A load entered a phase: extract, stage, load, finalize, state — or a name of the engine's own."""

    type: Literal["phase"] = "phase"
    run_id: str
    phase: str


class Progress(_Message):
    """Rows done so far in the current phase."""

    type: Literal["progress"] = "progress"
    run_id: str
    rows: int = Field(ge=0)


class RunRecord(_Message):
    """What each run must expose (seed 004 section 3; DESIGN section 7). ``None`` means 'not reported'."""

    run_id: str
    engine: str
    engine_version: str
    manifest_path: str | None = None
    selector: str | None = None
    source_id: str | None = None
    sink_id: str | None = None
    extracted_rows: int | None = None
    staged_rows: int | None = None
    loaded_rows: int | None = None
    """Rows written to the target by this run."""
    final_rows: int | None = None
    """Rows in the target after this run."""
    inserted_rows: int | None = None
    updated_rows: int | None = None
    deleted_rows: int | None = None
    soft_deleted_rows: int | None = None
    late_rows: int | None = None
    """Rows behind the high-water mark and the lookback that this run saw and left out."""
    retries: int | None = None
    failure_category: FailureCategory | None = None
    state_before: dict[str, JsonValue] | None = None
    state_after: dict[str, JsonValue] | None = None
    started_at: str | None = None
    finished_at: str | None = None
    timings_seconds: dict[str, float] = {}
    peak_memory_bytes: int | None = None


class Result(_Message):
    """The load is done and durable, so the engine says."""

    type: Literal["result"] = "result"
    run_id: str
    record: RunRecord


class Error(_Message):
    """The load failed; the sink is as the strategy's atomicity promises."""

    type: Literal["error"] = "error"
    run_id: str
    category: FailureCategory
    message: str
    retryable: bool = False
    record: RunRecord | None = None


Event = Annotated[Described | Phase | Progress | Result | Error, Field(discriminator="type")]

_EVENTS: TypeAdapter[Described | Phase | Progress | Result | Error] = TypeAdapter(Event)
_REQUESTS: TypeAdapter[Describe | Load | Stop] = TypeAdapter(Request)


def parse_event(line: bytes) -> Described | Phase | Progress | Result | Error:
    """One line from an engine; raises ``pydantic.ValidationError`` when it is not an event."""
    return _EVENTS.validate_json(line)


def parse_request(line: bytes | str) -> Describe | Load | Stop:
    """One line from the harness, for engines written in Python inside this package."""
    return _REQUESTS.validate_json(line)


def json_schemas() -> dict[str, str]:
    """File name -> text of the published JSON Schema (draft 2020-12): any one line of the protocol.

    ``python -m certification_pipeline.harness.engines.protocol docs/schemas`` publishes it; a test compares.
    """
    either: TypeAdapter[object] = TypeAdapter(Request | Event)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:certification_pipeline:engine-protocol:v1",
        "title": "One line of the engine protocol, version 1: a request or an event",
        **either.json_schema(),
    }
    return {"engine-protocol.v1.json": json.dumps(schema, indent=2, sort_keys=True) + "\n"}


if __name__ == "__main__":
    for name, text in json_schemas().items():
        (Path(sys.argv[1]) / name).write_text(text)
