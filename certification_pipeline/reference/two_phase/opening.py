"""A coordinator over one load's sink, for as long as an attempt takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sinks.base import Sink
from certification_pipeline.reference.two_phase.coordinator import Coordinator
from certification_pipeline.reference.two_phase.log import DecisionLog
from certification_pipeline.reference.two_phase.participant import Participant

LOG_NAME = "coordinator.log"


@contextmanager
def open_coordinator(
    load: Load, sink: Sink, phase: Callable[[str], None], defect: Defect | None
) -> Iterator[Coordinator]:
    """The coordinator, with all that its log knows resolved.

    Raises :class:`LoadError` ``conflict`` while another process holds log or target, ``unsupported`` for a
    sink that cannot prepare.
    """
    with DecisionLog(Path(load.state_dir) / LOG_NAME) as log:
        coordinator = Coordinator(log, (_participant(sink, load, defect),), phase, defect)
        coordinator.resolve()
        yield coordinator


def _participant(sink: Sink, load: Load, defect: Defect | None) -> Participant:
    match load.sink.system:
        case "postgres":
            from certification_pipeline.reference.sinks.postgres import PostgresSink  # noqa: PLC0415
            from certification_pipeline.reference.two_phase.postgres import PreparedPostgres  # noqa: PLC0415

            assert isinstance(sink, PostgresSink)
            return PreparedPostgres(sink, defect)
        case "parquet":
            from certification_pipeline.reference.sinks.parquet import ParquetSink  # noqa: PLC0415
            from certification_pipeline.reference.two_phase.parquet import PreparedParquet  # noqa: PLC0415

            assert isinstance(sink, ParquetSink)
            return PreparedParquet(sink, defect)
    raise LoadError(
        FailureCategory.UNSUPPORTED, f"a {load.sink.system} sink cannot prepare; postgres and parquet can"
    )
