"""A load as OpenLineage events, made with OpenLineage's own client.

What they say comes from ``evidence/lineage_facts.py``; how it is said is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    OutputDatasetFacet,
    RunFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)
from openlineage.client.serde import Serde

from certification_pipeline import __version__
from certification_pipeline.evidence.lineage_facts import EventFacts, expected_facts
from certification_pipeline.evidence.load_lineage import Columns, JudgedLoad
from certification_pipeline.evidence.plan import CertificationPlan

PRODUCER = f"urn:certification_pipeline:{__version__}"


@attr.define
class CertificationRunFacet(RunFacet):
    """Which load of the certification it was; ours, as OpenLineage allows."""

    release_id: str = attr.field()
    cell_id: str = attr.field()
    scenario: str = attr.field()
    step: str = attr.field()
    phases: list[str] = attr.field(factory=list)

    @staticmethod
    def _get_schema() -> str:
        return "urn:certification_pipeline:openlineage:CertificationRunFacet:v1"


def load_events(plan: CertificationPlan, judged: JudgedLoad) -> Iterator[str]:
    """START, RUNNING (with the phases) and COMPLETE or FAIL, each one line of JSON."""
    for facts in expected_facts(plan, judged):
        yield Serde.to_json(_event(plan, judged, facts), ensure_ascii=False)


def _event(plan: CertificationPlan, judged: JudgedLoad, facts: EventFacts) -> RunEvent:
    return RunEvent(
        eventType=RunState(facts.type),
        eventTime=facts.time.isoformat(),
        run=Run(runId=judged.load.run_id, facets=_run_facets(plan, judged, facts)),
        job=Job(
            namespace=facts.job.namespace,
            name=facts.job.name,
            facets={
                "jobType": job_type_job.JobTypeJobFacet(
                    processingType="BATCH", integration="CERTIFY", jobType="LOAD", producer=PRODUCER
                )
            },
        ),
        inputs=[
            InputDataset(
                namespace=facts.input.namespace, name=facts.input.name, facets=_schema(facts.input_columns)
            )
        ],
        outputs=[_output(facts)],
        producer=PRODUCER,
    )


def _run_facets(plan: CertificationPlan, judged: JudgedLoad, facts: EventFacts) -> dict[str, RunFacet]:
    facets: dict[str, RunFacet] = {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=facts.parent),
            job=parent_run.Job(namespace=facts.job.namespace, name="certification"),
            producer=PRODUCER,
        ),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
            name=plan.subject.engine, version=plan.subject.version, producer=PRODUCER
        ),
        "certification_load": CertificationRunFacet(
            release_id=plan.release_id,
            cell_id=judged.key.cell_id,
            scenario=judged.key.scenario,
            step=judged.load.step,
            phases=list(judged.load.phases) if facts.type == "RUNNING" else [],
            producer=PRODUCER,
        ),
    }
    if facts.error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            message=facts.error, programmingLanguage="unknown", producer=PRODUCER
        )
    return facets


def _output(facts: EventFacts) -> OutputDataset:
    facets = _schema(facts.output_columns)
    if facts.copied:
        facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={column: _identity(facts, source) for column, source in facts.copied}, producer=PRODUCER
        )
    out: dict[str, OutputDatasetFacet] = {}
    if facts.rows is not None:
        out["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=facts.rows, producer=PRODUCER
        )
    if facts.assertions:
        # The client knows this facet for inputs alone; the oracle read the output, and its schema allows it.
        out["dataQualityAssertions"] = cast("OutputDatasetFacet", _assertions(facts))
    return OutputDataset(
        namespace=facts.output.namespace, name=facts.output.name, facets=facets, outputFacets=out
    )


def _schema(columns: Columns) -> dict[str, DatasetFacet]:
    if not columns:
        return {}
    fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=type_) for name, type_ in columns]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields=fields, producer=PRODUCER)}


def _identity(facts: EventFacts, source: str) -> column_lineage_dataset.Fields:
    copy = column_lineage_dataset.Transformation(type="DIRECT", subtype="IDENTITY")
    field = column_lineage_dataset.InputField(
        namespace=facts.input.namespace, name=facts.input.name, field=source, transformations=[copy]
    )
    return column_lineage_dataset.Fields(inputFields=[field])


def _assertions(facts: EventFacts) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
        assertions=[
            data_quality_assertions_dataset.Assertion(
                assertion=fact.name, success=fact.success, column=fact.column or None
            )
            for fact in facts.assertions
        ],
        producer=PRODUCER,
    )
