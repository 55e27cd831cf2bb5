"""A process that does one transaction over two participants, and dies by SIGKILL at a boundary of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from certification_pipeline.harness.engines.protocol import DataObject
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.sinks.parquet import ParquetSink
from certification_pipeline.reference.sinks.postgres import PostgresSink
from certification_pipeline.reference.two_phase.coordinator import Coordinator
from certification_pipeline.reference.two_phase.log import DecisionLog
from certification_pipeline.reference.two_phase.parquet import PreparedParquet
from certification_pipeline.reference.two_phase.postgres import PreparedPostgres

PIPELINE = "0123456789abcdef"
NEVER = 10**6
COLUMN = Column("id", ColumnType(LogicalType.INT64))


@dataclass(frozen=True)
class Place:
    """A table in PostgreSQL, a table of files, and a log."""

    dsn: str
    folder: Path
    name: str

    @property
    def log(self) -> Path:
        """The coordinator's."""
        return self.folder / "state" / "coordinator.log"

    def postgres(self) -> DataObject:
        """The one participant."""
        return DataObject(system="postgres", dsn=self.dsn, namespace="two", name=self.name)

    def parquet(self) -> DataObject:
        """The other."""
        return DataObject(system="parquet", dsn=str(self.folder / "lake"), name=self.name)


@contextmanager
def coordinating(
    place: Place, defect: Defect | None = None
) -> Iterator[tuple[Coordinator, PostgresSink, ParquetSink]]:
    """A coordinator over both."""
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(PostgresSink(place.postgres())))
        parquet = stack.enter_context(closing(ParquetSink(place.parquet())))
        log = stack.enter_context(closing(DecisionLog(place.log)))
        participants = PreparedPostgres(postgres, defect), PreparedParquet(parquet, defect)
        yield Coordinator(log, participants, lambda _: None, defect), postgres, parquet


def transact(place: Place, row: int, defect: Defect | None = None) -> None:
    """One more row in both, in one transaction."""
    with coordinating(place, defect) as (coordinator, postgres, parquet):
        for sink in (postgres, parquet):
            sink.begin()
            if sink.columns() is None:
                sink.create_target([COLUMN])
            sink.run(f"INSERT INTO {sink.target} VALUES ({row})")
        coordinator.settle(PIPELINE)


def dies(place: Place, row: int, boundary: int, defect: Defect | None = None) -> None:
    """As :func:`transact`, in a process of its own that ends before or after its n-th durable step."""
    left = boundary

    def fatal(step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def stepping(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            for after in (False, True):
                left -= 1
                if left == 0 and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                if not after:
                    answer = step(*args, **kwargs)
                elif left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return stepping

    for kind in (PreparedPostgres, PreparedParquet):
        for name in ("prepare", "commit"):
            setattr(kind, name, fatal(getattr(kind, name)))
    DecisionLog._write = fatal(DecisionLog._write)  # type: ignore[method-assign]
    transact(place, row, defect)
