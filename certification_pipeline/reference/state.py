"""Typed state records; they live in the sink beside the data and are committed with it.

So state can never be ahead of the rows nor behind them (seed 002: 'State must advance only after the
sink load succeeds'), and a run needs nothing from its working folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import RESERVED_PREFIX

STATE_TABLE = f"{RESERVED_PREFIX}state"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunState(_Record):
    """The last run that committed."""

    kind: Literal["run"] = "run"
    run_id: str
    strategy: Strategy
    loaded_rows: int
    finished_at: str


class CursorState(_Record):
    """High-water mark of a cursor column: the greatest value among rows loaded so far."""

    kind: Literal["cursor"] = "cursor"
    column: str
    high_water: str | None


class XminState(_Record):
    """The snapshot of the last extract (``pg_current_snapshot()::text``) and the cluster it belongs to."""

    kind: Literal["xmin"] = "xmin"
    cluster: str
    snapshot: str


class CdcState(_Record):
    """Position in a logical slot: everything up to ``lsn`` is in the sink.

    ``snapshot`` is what the initial copy saw, ``boundary`` a position before which all it saw had committed:
    transactions visible to it are not applied again.
    """

    kind: Literal["cdc"] = "cdc"
    cluster: str
    slot: str
    lsn: int
    snapshot: str
    boundary: int


class KafkaOffsets(_Record):
    """Next offset to read, per partition, of one topic."""

    kind: Literal["kafka"] = "kafka"
    topic: str
    next_offsets: dict[int, int]


class BackfillState(_Record):
    """Which daily chunks of a backfill are committed."""

    kind: Literal["backfill"] = "backfill"
    column: str
    days: tuple[date, ...] = ()


StateRecord = Annotated[
    RunState | CursorState | XminState | CdcState | KafkaOffsets | BackfillState, Field(discriminator="kind")
]
_RECORD: TypeAdapter[RunState | CursorState | XminState | CdcState | KafkaOffsets | BackfillState] = (
    TypeAdapter(StateRecord)
)
R = TypeVar("R", bound=_Record)


@dataclass(frozen=True, slots=True)
class PipelineState:
    """All records of one pipeline, at most one of a kind."""

    records: tuple[_Record, ...] = ()

    def get(self, kind: type[R]) -> R | None:
        """The record of that type, or ``None``."""
        return next((record for record in self.records if isinstance(record, kind)), None)

    def put(self, record: _Record) -> PipelineState:
        """This state with ``record`` in the place of the one of its type."""
        return PipelineState((*(r for r in self.records if type(r) is not type(record)), record))

    def dump(self) -> dict[str, str]:
        """Kind -> JSON text, for the sink's state table."""
        return {str(getattr(record, "kind", "")): record.model_dump_json() for record in self.records}

    def report(self) -> dict[str, JsonValue]:
        """For the run record: kind -> fields."""
        return {kind: TypeAdapter(JsonValue).validate_json(text) for kind, text in self.dump().items()}

    @staticmethod
    def parse(rows: dict[str, str]) -> PipelineState:
        """The inverse of :meth:`dump`; a record that does not parse is a ``state`` failure."""
        records: list[_Record] = []
        for kind, text in rows.items():
            try:
                records.append(_RECORD.validate_json(text))
            except ValidationError as error:
                raise LoadError(
                    FailureCategory.STATE,
                    f"the {kind!r} record in {STATE_TABLE} is corrupt ({error.error_count()} errors); "
                    f"delete the pipeline's records there to start afresh",
                ) from None
        return PipelineState(tuple(records))
