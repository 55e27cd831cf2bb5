"""Run records and errors that say something else than what happened."""

from __future__ import annotations

from typing import Any

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Load, RunRecord
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError


def spoilt_record(defect: Defect | None, record: RunRecord) -> RunRecord:
    """The record that is reported; as it is without such a defect."""
    said: dict[str, Any] = {}
    match defect:
        case Defect.COUNT_STAGED_AS_FINAL:
            said = {"final_rows": record.staged_rows}
        case Defect.COUNT_UPDATES_AS_INSERTS:
            said = {"inserted_rows": (record.inserted_rows or 0) + (record.updated_rows or 0)}
        case Defect.RUN_ID_OF_ITS_OWN:
            said = {"run_id": f"run-{record.started_at}"}
        case Defect.PEAK_MEMORY_UNTOLD:
            said = {"peak_memory_bytes": None}
    return record.model_copy(update=said) if said else record


def spoilt_failure(
    defect: Defect | None, load: Load, error: LoadError, message: str
) -> tuple[FailureCategory, str]:
    """Category and message of the failure that are reported."""
    match defect:
        case Defect.EVERY_FAILURE_INTERNAL:
            return FailureCategory.INTERNAL, message
        case Defect.SECRET_IN_MESSAGE:
            return error.category, f"{message} (connecting to {load.source.dsn})"
    return error.category, message
