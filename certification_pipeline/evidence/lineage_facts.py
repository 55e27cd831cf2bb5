"""What an OpenLineage event says and what it must say: the same facts, from the event and from the cell.

The two readings share nothing but this shape, so that holding one against the other can fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import Judgement, RowJudgement
from certification_pipeline.evidence.load_lineage import Columns, DatasetName, JudgedLoad
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.run_registry import is_uuid

EventType = Literal["START", "RUNNING", "COMPLETE", "FAIL"]


@dataclass(frozen=True, order=True)
class AssertionFact:
    """One verdict of the oracle, on the table or on one column."""

    name: str
    success: bool
    column: str = ""


@dataclass(frozen=True)
class EventFacts:
    """One event. What only a load's end can know is empty in START and RUNNING."""

    type: str
    time: datetime
    parent: str
    job: DatasetName
    input: DatasetName
    output: DatasetName
    input_columns: Columns = ()
    output_columns: Columns = ()
    copied: tuple[tuple[str, str], ...] = ()
    """Sink column, source column; sorted."""
    rows: int | None = None
    assertions: tuple[AssertionFact, ...] = ()
    error: str | None = None


def parent_run(plan: CertificationPlan) -> str:
    """The certification run as a UUID: its own id, or one made from it where it is none."""
    try:
        return str(UUID(plan.run_id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"urn:certification_pipeline:run:{plan.run_id}"))


def expected_facts(plan: CertificationPlan, judged: JudgedLoad) -> tuple[EventFacts, ...]:
    """What a load's events must say: START, RUNNING and its end. Empty if it cannot be exported."""
    load, key = judged.load, judged.key
    source, sink = judged.source, judged.sink
    if load.started_at is None or load.finished_at is None or source is None or sink is None:
        return ()
    if not is_uuid(load.run_id):
        return ()

    def event(type_: EventType, time: datetime) -> EventFacts:
        return EventFacts(
            type=type_,
            time=time,
            parent=parent_run(plan),
            job=DatasetName(namespace=f"certify://{key.engine}", name=f"{key.route_id}.{key.strategy}"),
            input=source,
            output=sink,
        )

    ended_well = load.ended == "result"
    end = event("COMPLETE" if ended_well else "FAIL", load.finished_at)
    end = EventFacts(
        **{
            **vars(end),
            "input_columns": judged.source_columns,
            "output_columns": judged.sink_columns,
            "copied": tuple(sorted(judged.copied.items())),
            "rows": judged.seen.actual.rows if judged.seen else None,
            "assertions": tuple(sorted(fact for j in judged.judgements for fact in _assertions(j))),
            "error": None if ended_well else (load.message or f"the load ended in {load.ended}"),
        }
    )
    return (event("START", load.started_at), event("RUNNING", load.started_at), end)


def _assertions(judgement: Judgement) -> Iterator[AssertionFact]:
    passed = judgement.outcome is Outcome.PASSED
    if not isinstance(judgement, RowJudgement):
        yield AssertionFact(judgement.name, passed)
        return
    yield AssertionFact("rows_as_the_model", passed)
    for anomaly, count in judgement.anomalies.items():
        yield AssertionFact(f"no_{anomaly}", count == 0)
    for column, count in judgement.columns.items():
        yield AssertionFact("values_as_the_model", count == 0, column)


def stated_facts(event: dict[str, JsonValue]) -> EventFacts:
    """What a valid event says. The schema was held against it before: what is required is there."""
    (source,), (sink,) = _list(event["inputs"]), _list(event["outputs"])
    run_facets = _dict(_dict(event["run"])["facets"])
    facets, out = _dict(sink.get("facets", {})), _dict(sink.get("outputFacets", {}))
    lineage = _dict(_dict(facets.get("columnLineage", {})).get("fields", {}))
    rows = _dict(out.get("outputStatistics", {})).get("rowCount")
    error = _dict(run_facets.get("errorMessage", {})).get("message")
    return EventFacts(
        type=str(event["eventType"]),
        time=datetime.fromisoformat(str(event["eventTime"])),
        parent=str(_dict(_dict(run_facets["parent"])["run"])["runId"]),
        job=_name(_dict(event["job"])),
        input=_name(source),
        output=_name(sink),
        input_columns=_columns(_dict(source.get("facets", {}))),
        output_columns=_columns(facets),
        copied=tuple(
            sorted(pair for sink_column, way in lineage.items() for pair in _ways(sink_column, way, source))
        ),
        rows=rows if isinstance(rows, int) else None,
        assertions=tuple(sorted(_stated_assertions(out))),
        error=None if error is None else str(error),
    )


def _ways(column: str, way: JsonValue, source: dict[str, JsonValue]) -> Iterator[tuple[str, str]]:
    for field in _list(_dict(way)["inputFields"]):
        there = "" if _name(field) == _name(source) else f"{_name(field)}/"
        yield column, f"{there}{field['field']}"


def _stated_assertions(out: dict[str, JsonValue]) -> Iterator[AssertionFact]:
    for stated in _list(_dict(out.get("dataQualityAssertions", {})).get("assertions", [])):
        yield AssertionFact(
            str(stated["assertion"]), stated["success"] is True, str(stated.get("column", ""))
        )


def _columns(facets: dict[str, JsonValue]) -> Columns:
    fields = _list(_dict(facets.get("schema", {})).get("fields", []))
    return tuple((str(f["name"]), None if (type_ := f.get("type")) is None else str(type_)) for f in fields)


def _name(thing: dict[str, JsonValue]) -> DatasetName:
    return DatasetName(namespace=str(thing["namespace"]), name=str(thing["name"]))


def _dict(value: JsonValue) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", value)


def _list(value: JsonValue) -> list[dict[str, JsonValue]]:
    return cast("list[dict[str, JsonValue]]", value)
