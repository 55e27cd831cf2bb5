"""Reading ``openlineage_events.jsonl``: strict JSON, one event a line, each held against the schema.

The schema (``data/openlineage_event.schema.json``) states the rules of OpenLineage 2-0-2 for what is
exported here.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pydantic import JsonValue

from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.lineage_facts import EventFacts, stated_facts
from certification_pipeline.evidence.run_registry import is_uuid

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

LONGEST_PROBLEM = 300


class ReadEvent(NamedTuple):
    """One line: whose event it is, what it says, or what is wrong with it."""

    line: int
    run_id: str | None
    facts: EventFacts | None
    problem: str | None


def read_events(data: bytes) -> tuple[ReadEvent, ...]:
    """Every line of the file; a line that is no valid event is there with its problem."""
    return tuple(ReadEvent(at, *_said(line)) for at, line in enumerate(data.splitlines(), start=1))


def invalid(event: JsonValue) -> str | None:
    """Why this is no event that may be exported, with the place in it; None when it is one."""
    error = next(iter(_validator().iter_errors(event)), None)
    if error is None:
        return None
    place = ".".join(str(part) for part in error.absolute_path)
    return f"{place}: {error.message}"[:LONGEST_PROBLEM] if place else error.message[:LONGEST_PROBLEM]


def event_schema() -> dict[str, JsonValue]:
    """The schema that every line is held against."""
    text = files("certification_pipeline.evidence").joinpath("data/openlineage_event.schema.json").read_text()
    schema: dict[str, JsonValue] = json.loads(text)
    return schema


# Each decision over a report reads its events again. What a line says depends on its bytes alone, and holding
# it against the schema takes a millisecond.
@lru_cache(maxsize=2048)
def _said(line: bytes) -> tuple[str | None, EventFacts | None, str | None]:
    try:
        event = parse_value(line, "")
    except EvidenceError as error:
        return None, None, error.problem
    problem = invalid(event)
    if problem is not None or not isinstance(event, dict):
        return _run_id(event), None, problem
    return _run_id(event), stated_facts(event), None


def _run_id(event: JsonValue) -> str | None:
    run = event.get("run") if isinstance(event, dict) else None
    run_id = run.get("runId") if isinstance(run, dict) else None
    return run_id if isinstance(run_id, str) else None


@cache
def _validator() -> Draft202012Validator:
    # Only who reads events pays for the import.
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415

    checker = FormatChecker(formats=())

    @checker.checks("uuid")
    def uuid(value: object) -> bool:
        return not isinstance(value, str) or is_uuid(value)

    @checker.checks("date-time", raises=ValueError)
    def date_time(value: object) -> bool:
        return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None

    @checker.checks("uri", raises=ValueError)
    def uri(value: object) -> bool:
        return not isinstance(value, str) or bool(urlsplit(value).scheme)

    return Draft202012Validator(event_schema(), format_checker=checker)
