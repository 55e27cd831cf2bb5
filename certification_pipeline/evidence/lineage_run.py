"""One load's events against what they must say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from certification_pipeline.evidence.lineage_events import ReadEvent
from certification_pipeline.evidence.lineage_facts import EventFacts, expected_facts
from certification_pipeline.evidence.load_lineage import JudgedLoad
from certification_pipeline.evidence.openlineage import LineageItem, ProblemWord, RunProblem
from certification_pipeline.evidence.plan import CertificationPlan

_ENDS = ("COMPLETE", "FAIL", "ABORT")
_FIELDS: tuple[tuple[ProblemWord, tuple[str, ...]], ...] = (
    (ProblemWord.WRONG_DATASET, ("input", "output")),
    (ProblemWord.WRONG_COLUMNS, ("input_columns", "output_columns", "copied")),
    (ProblemWord.WRONG_COUNT, ("rows",)),
    (ProblemWord.WRONG_ASSERTION, ("assertions",)),
    (ProblemWord.WRONG_EVENT, ("time", "parent", "job", "error")),
)
_LONGEST = 120


def run_item(plan: CertificationPlan, judged: JudgedLoad, events: Sequence[ReadEvent]) -> LineageItem:
    """The item of one load; its ``problems`` are empty when every event says what it must."""
    stated = [event.facts for event in events if event.facts is not None]
    end = next((facts for facts in reversed(stated) if facts.type in _ENDS), None)
    seen = judged.seen
    problems = tuple(_problems(plan, judged, stated))
    return LineageItem(
        run_id=judged.load.run_id,
        cell_id=judged.key.cell_id,
        job=f"{judged.key.route_id}.{judged.key.strategy}",
        step=judged.load.step,
        events=tuple(facts.type for facts in stated),
        ended=judged.load.ended,
        input=str(end.input) if end else None,
        output=str(end.output) if end else None,
        input_columns=len(end.input_columns) if end else 0,
        output_columns=len(end.output_columns) if end else 0,
        rows=end.rows if end else None,
        oracle_columns=len(judged.sink_columns) if seen else None,
        oracle_rows=seen.actual.rows if seen else None,
        claimed_rows=judged.claimed_rows,
        assertions=len(end.assertions) if end else 0,
        failed_assertions=sum(not fact.success for fact in end.assertions) if end else 0,
        problems=problems,
        passed=not problems,
    )


def _problems(
    plan: CertificationPlan, judged: JudgedLoad, stated: Sequence[EventFacts]
) -> Iterator[RunProblem]:
    expected = expected_facts(plan, judged)
    if not expected:
        yield _problem(ProblemWord.NOT_EXPORTABLE, "no UUID, no times or no datasets are on record")
        return
    yield from _about_order(judged, stated, expected[-1].type)
    wanted = {facts.type: facts for facts in expected}
    for facts in stated:
        if (should := wanted.get(facts.type)) is not None:
            yield from _differences(facts, should)
    yield from _about_sink(judged)


def _about_order(judged: JudgedLoad, stated: Sequence[EventFacts], end: str) -> Iterator[RunProblem]:
    types = [facts.type for facts in stated]
    ends = [type_ for type_ in types if type_ in _ENDS]
    if "START" not in types:
        yield _problem(ProblemWord.MISSING_START, "has no START event")
    if not ends:
        yield _problem(ProblemWord.MISSING_COMPLETE, f"ended in {judged.load.ended}, and no event says so")
    elif ends != [end]:
        yield _problem(
            ProblemWord.WRONG_END, f"ended in {judged.load.ended}, and the events say {' '.join(ends)}"
        )
    if ("FAIL" in ends or "ABORT" in ends) and not judged.asked_to_fail:
        said = next((facts.error for facts in stated if facts.error), None) or "no message"
        yield _problem(ProblemWord.FAIL_EVENT, f"the run failed: {_short(said)}")


def _differences(stated: EventFacts, expected: EventFacts) -> Iterator[RunProblem]:
    for word, fields in _FIELDS:
        for field in fields:
            says, is_ = getattr(stated, field), getattr(expected, field)
            if says != is_:
                message = f"{stated.type} says {field} {_short(says)}, the cell's evidence {_short(is_)}"
                yield _problem(word, message)


def _about_sink(judged: JudgedLoad) -> Iterator[RunProblem]:
    """What the engine did to the sink, as far as lineage is concerned: columns, and rows it lays claim to."""
    seen = judged.seen
    if seen is None:
        return
    for what, names in (("lacks", seen.missing_columns), ("has unexpected", seen.unexpected_columns)):
        if names:
            yield _problem(ProblemWord.WRONG_COLUMNS, f"the sink {what} columns {_short(', '.join(names))}")
    claim = judged.claimed_rows
    if judged.load.ended == "result" and claim is not None and claim != seen.actual.rows:
        message = f"the engine claims {claim} rows in the sink, the oracle counted {seen.actual.rows}"
        yield _problem(ProblemWord.WRONG_COUNT, message)


def _problem(word: ProblemWord, message: str) -> RunProblem:
    return RunProblem(word=word, message=message)


def _short(value: object) -> str:
    if isinstance(value, tuple):
        text = f"of {len(value)}: " + ", ".join(str(part) for part in value)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
