"""The schema every event is held against, itself held against OpenLineage's own classes."""

from __future__ import annotations

from typing import Any, cast

import attr
import jsonschema
import pytest
from openlineage.client.event_v2 import RunEvent
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)

from certification_pipeline.evidence.lineage_events import event_schema, invalid
from certification_pipeline.evidence.lineage_report import SPECIFICATION

SCHEMA = cast("dict[str, Any]", event_schema())
CLASSES = (
    RunEvent,
    parent_run.ParentRunFacet,
    error_message_run.ErrorMessageRunFacet,
    processing_engine_run.ProcessingEngineRunFacet,
    job_type_job.JobTypeJobFacet,
    schema_dataset.SchemaDatasetFacet,
    column_lineage_dataset.ColumnLineageDatasetFacet,
    output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet,
)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("class_", CLASSES, ids=lambda c: c.__name__)
def test_it_keeps_to_the_version_that_the_client_writes(class_: type[Any]) -> None:
    rules = SCHEMA["$defs"][class_.__name__]["properties"]
    stated = rules["schemaURL" if class_ is RunEvent else "_schemaURL"]["const"]
    assert stated == class_._get_schema()
    if class_ is RunEvent:
        assert f"/spec/{SPECIFICATION}/" in stated


@pytest.mark.parametrize("class_", CLASSES, ids=lambda c: c.__name__)
def test_it_demands_what_the_client_demands(class_: type[Any]) -> None:
    """The client's classes are generated from the published schema; a field without default is required."""
    demanded = {field.name for field in attr.fields(class_) if field.default is attr.NOTHING}
    assert demanded <= set(SCHEMA["$defs"][class_.__name__]["required"])


@pytest.mark.parametrize(
    "event", [[], {}, "text", None, {"eventType": "START"}, {"eventType": "START", "dataset": {}}]
)
def test_what_is_no_event_is_refused(event: Any) -> None:
    assert invalid(event)
