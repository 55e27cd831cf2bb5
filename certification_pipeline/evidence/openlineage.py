"""``openlineage_report.json``: what was exported as OpenLineage events, held against what the oracle saw."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.decision import Decision

OWN_CELLS = "strategy.*"
"""Scenarios whose loads are always exported: the seeds' own cells, one a route and strategy."""


class ProblemWord(StrEnum):
    """What can be wrong with the events of one run; the word of its blocker."""

    FAIL_EVENT = "fail_event"
    """The load did not end well, and nothing asked it to fail."""
    MISSING_START = "missing_start"
    MISSING_COMPLETE = "missing_complete"
    """The run never ends: neither COMPLETE nor FAIL."""
    WRONG_END = "wrong_end"
    """It ends, but not as the load ended, or twice."""
    WRONG_COUNT = "wrong_count"
    """Rows stated, or claimed by the engine, are not the rows the oracle counted."""
    WRONG_COLUMNS = "wrong_columns"
    """Columns or column lineage are not those of source and sink."""
    WRONG_DATASET = "wrong_dataset"
    WRONG_ASSERTION = "wrong_assertion"
    """The oracle's verdicts are not those of the cell."""
    WRONG_EVENT = "wrong_event"
    """Time, parent, job or message are not the load's."""
    NOT_EXPORTABLE = "not_exportable"
    """The load has no UUID, no beginning and end, or no datasets on record."""


class RunProblem(Model):
    """One disagreement."""

    word: ProblemWord
    message: str


class LineageItem(Model):
    """One load: its events as they stand in the file, beside what the cell's evidence says."""

    run_id: str
    cell_id: str
    job: str
    step: str
    events: tuple[str, ...] = Field(description="types, in the file's order")
    ended: str = Field(description="how the load ended, by the cell's evidence")
    input: str | None
    output: str | None
    input_columns: int = Field(description="stated at the end event")
    output_columns: int = Field(description="stated at the end event")
    rows: int | None = Field(description="stated at the end event")
    oracle_columns: int | None = Field(description="in the sink, None when the oracle did not look")
    oracle_rows: int | None = Field(description="in the sink, None when the oracle did not look")
    claimed_rows: int | None = Field(description="in the sink, as the engine says")
    assertions: int
    failed_assertions: int = Field(description="the oracle's red verdicts, which the matrix answers for")
    problems: tuple[RunProblem, ...]
    passed: bool


class Emission(Model):
    """Events that a receiver took over HTTP. Its address is nobody's business and stays out."""

    transport: Literal["http"] = "http"
    emitted: int


class OpenLineageReport(Decision):
    """Green when every load in scope has valid events that say what the oracle saw."""

    KIND: ClassVar[str] = "openlineage_report"

    plan_digest: Digest
    scenarios: tuple[str, ...] = Field(description="fnmatch patterns: whose loads are exported")
    openlineage_version: str = Field(description="of the specification the events keep to")
    events_path: str
    events_sha256: Digest | None
    event_count: int
    registry_path: str
    registry_sha256: Digest | None
    run_count: int
    judged_runs: int = Field(description="runs after which the oracle looked at the sink")
    items: tuple[LineageItem, ...]
    emission: Emission | None = Field(None, description="a claim: nobody can ask the receiver later")
