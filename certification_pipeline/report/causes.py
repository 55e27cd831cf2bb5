"""Failures grouped by what went wrong, and cells without a verdict grouped by why.

Fifty red cells are often three defects; a reader wants the three, one sample row each, and the command
that shows it again.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from certification_pipeline.catalog.findings import Finding
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode
from certification_pipeline.evidence.cell import CheckJudgement, RowJudgement, RowSample
from certification_pipeline.evidence.next_step import rerun_cell
from certification_pipeline.report.release import CellLine, SubjectView
from certification_pipeline.report.visible import visible

MAX_FACT = 300
"""Characters of an expectation or an engine's message that are shown."""

NAMED_COLUMNS = 4
"""So many differing columns are named in a cause's title; the rest is counted."""

KEPT_SAMPLES = 8
"""Sample rows kept of a cause."""

MANY_REMEDIES = "certify doctor"
"""Where the remedies differ: this lists what each service and engine needs here."""

REASON_TITLES: dict[ReasonCode, str] = {
    ReasonCode.NOT_DECLARED: "the engine does not claim it",
    ReasonCode.UNSUPPORTED_COMBINATION: "outside the engine's own table of delivery guarantees",
    ReasonCode.SOURCE_LACKS: "the source has nothing of the kind that the scenario disturbs",
    ReasonCode.SINK_LACKS: "the sink has nothing of the kind that the scenario disturbs",
    ReasonCode.NOTHING_TO_DISTURB: "the engine keeps nothing of the kind that the fault damages",
    ReasonCode.SERVICE_UNAVAILABLE: "a service is not reachable here",
    ReasonCode.NOT_IN_PROFILE: "this profile leaves it out on purpose",
    ReasonCode.NOT_IMPLEMENTED: "the engine has not implemented it yet",
    ReasonCode.NOT_IN_ARTIFACT: "the vendor documents it, the released artifact does not hold it",
    ReasonCode.DRIVER_MISSING: "the engine's environment cannot be made here",
    ReasonCode.HARNESS_ERROR: "our own bench broke",
    ReasonCode.SERVICE_DIED: "a service went away while the cell ran",
    ReasonCode.NO_WITNESS: "the fault did not fire",
    ReasonCode.CONTROL_MISBEHAVED: "a control disagreed: the bench is in doubt, not the subject",
    ReasonCode.NO_OUTCOME: "planned, but nothing was recorded",
    ReasonCode.INTERRUPTED: "the run was stopped before",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One anomalous row, with the cell and step it was seen in."""

    line: CellLine
    step: str
    row: RowSample


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that went wrong, and every cell it turned red."""

    title: str
    lines: tuple[CellLine, ...]
    anomalies: tuple[tuple[Anomaly, int], ...]
    """Rows over all cells, worst count first."""
    samples: tuple[Sample, ...]
    facts: tuple[str, ...]
    """For causes without rows: what was expected and what was seen, once each."""
    command: str
    """Runs the first cell again."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What explains its cells; several where they show several defects."""
        return tuple({finding.id: finding for line in self.lines for finding in line.findings}.values())

    @property
    def known(self) -> str:
        """``dlt-04``, ``dlt-04; 2 cells unexplained``; empty when nothing explains any of its cells."""
        named = ", ".join(finding.id for finding in self.findings)
        open_ = sum(not line.findings for line in self.lines)
        return f"{named}; {open_} of {len(self.lines)} cells unexplained" if named and open_ else named

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenarios that showed it."""
        return tuple(sorted({line.key.scenario for line in self.lines}))

    @property
    def strategies(self) -> tuple[str, ...]:
        """Strategies it happened in."""
        return tuple(sorted({line.key.strategy.value for line in self.lines}))

    @property
    def where(self) -> str:
        """``full_refresh, scd2 on postgres → duckdb, postgres → sqlite``."""
        routes = ", ".join(route.replace("_to_", " → ") for route in self.routes)
        return f"{', '.join(self.strategies)} on {routes}"

    @property
    def routes(self) -> tuple[str, ...]:
        """Routes it happened on."""
        return tuple(sorted({line.key.route_id for line in self.lines}))


@dataclass(frozen=True, slots=True)
class Gap:
    """Cells without a verdict, for one reason with one remedy."""

    reason: ReasonCode | None
    outcome: Outcome
    title: str
    remedy: str
    details: tuple[str, ...]
    lines: tuple[CellLine, ...]


def causes(subject: SubjectView) -> list[Cause]:
    """Failed cells of a subject grouped by what went wrong, most cells first."""
    groups: dict[str, list[CellLine]] = defaultdict(list)
    for line in subject.failed:
        groups[title_of(line)].append(line)
    made = [_cause(subject, title, lines) for title, lines in groups.items()]
    return sorted(made, key=lambda c: (-len(c.lines), -sum(count for _, count in c.anomalies), c.title))


def gaps(subject: SubjectView) -> list[Gap]:
    """Undecided cells of a subject grouped by reason and remedy, most cells first."""
    groups: dict[tuple[Outcome, ReasonCode | None, str], list[CellLine]] = defaultdict(list)
    for line in subject.undecided:
        groups[line.outcome, line.reason, line.remedy].append(line)
    made = []
    for (outcome, reason, remedy), lines in groups.items():
        title = REASON_TITLES[reason] if reason else _reasonless(lines[0])
        details = tuple(dict.fromkeys(line.detail for line in lines if line.detail))
        made.append(Gap(reason, outcome, title, remedy, details, tuple(lines)))
    return sorted(made, key=lambda gap: (gap.outcome is not Outcome.CANT_TELL, -len(gap.lines), gap.title))


def fact(judgement: CheckJudgement) -> str:
    """What was expected and what was seen, on one line, capped."""
    expected, observed = (json.dumps(v, ensure_ascii=False) for v in (judgement.expected, judgement.observed))
    comparison = {
        "equal": "expected",
        "at_least": "expected at least",
        "at_most": "expected at most",
        "one_of": "expected one of",
        "present": "expected a value, e.g.",
    }
    text = f"{judgement.name}: {comparison[judgement.comparison]} {expected}, saw {observed}"
    return visible(text)[:MAX_FACT]


def reasons(subjects: Iterable[SubjectView]) -> list[Gap]:
    """Undecided cells of many subjects grouped by reason alone; the remedy stays only where all share it."""
    groups: dict[tuple[Outcome, str], list[Gap]] = defaultdict(list)
    for subject in subjects:
        for gap in gaps(subject):
            groups[gap.outcome, gap.title].append(gap)
    made = []
    for (outcome, title), found in groups.items():
        remedies = list(dict.fromkeys(gap.remedy for gap in found if gap.remedy))
        remedy = remedies[0] if len(remedies) == 1 else MANY_REMEDIES if remedies else ""
        details = tuple(dict.fromkeys(detail for gap in found for detail in gap.details))
        lines = tuple(line for gap in found for line in gap.lines)
        made.append(Gap(found[0].reason, outcome, title, remedy, details, lines))
    return sorted(made, key=lambda gap: (gap.outcome is not Outcome.CANT_TELL, -len(gap.lines), gap.title))


def samples_of(line: CellLine) -> Iterable[Sample]:
    """Every sampled row of the cell's failed judgements, in the order they were judged."""
    for judgement in line.evidence.judgements if line.evidence else ():
        if isinstance(judgement, RowJudgement) and judgement.outcome is Outcome.FAILED:
            for row in judgement.samples:
                yield Sample(line, judgement.step, row)


def title_of(line: CellLine) -> str:
    """What went wrong in a failed cell, in words that equal defects share."""
    failed = _failed_judgements(line)
    rows = [judgement for judgement in failed if isinstance(judgement, RowJudgement)]
    if rows and rows[0].remark:
        return _without_table(rows[0].remark, line)
    counted = [judgement for judgement in rows if any(judgement.anomalies.values())]
    if counted:
        return _rows_title(counted[0])
    if rows:
        return "sink differs from the reference model, no anomaly named"
    checks = [judgement for judgement in failed if isinstance(judgement, CheckJudgement)]
    if checks:
        return _check_title(checks[0])
    return line.detail or "failed without a judgement"


def _without_table(remark: str, line: CellLine) -> str:
    """A sink that could not be read counts as rows lost; why is the answer, and the same for every table."""
    loads = line.evidence.loads if line.evidence else ()
    for sink in (load.sink for load in loads if load.sink):
        table = ".".join(filter(None, (sink.namespace, sink.name)))
        remark = remark.replace(f"{sink.system} table {table}: ", f"{sink.system}: ", 1)
    return remark


def _rows_title(judgement: RowJudgement) -> str:
    kinds = [anomaly.value.replace("_", " ") for anomaly, count in judgement.anomalies.items() if count]
    title = f"rows {' and '.join(sorted(kinds))}"
    columns = sorted(judgement.columns)
    if not columns:
        return title
    shown = ", ".join(columns[:NAMED_COLUMNS])
    more = f" and {len(columns) - NAMED_COLUMNS} more" if len(columns) > NAMED_COLUMNS else ""
    return f"{title} in {shown}{more}"


def _distinct(samples: Iterable[Sample]) -> Iterable[Sample]:
    """The same row of the same workload comes back on every route: once is enough."""
    seen: set[tuple[object, ...]] = set()
    for sample in samples:
        of = sample.row
        row = (of.anomaly, tuple(of.key.items()), of.column, of.expected, of.actual)
        if row not in seen:
            seen.add(row)
            yield sample


def _check_title(judgement: CheckJudgement) -> str:
    """Numbers differ from cell to cell and would split one defect into many causes; words do not."""
    if isinstance(judgement.expected, str) and isinstance(judgement.observed, str):
        return f"{judgement.name.replace('_', ' ')}: '{judgement.observed}' instead of '{judgement.expected}'"
    return f"check '{judgement.name}' not met"


def _cause(subject: SubjectView, title: str, lines: list[CellLine]) -> Cause:
    counted: Counter[Anomaly] = Counter()
    facts: dict[str, None] = {}
    for line in lines:
        for judgement in _failed_judgements(line):
            if isinstance(judgement, RowJudgement):
                counted.update(judgement.anomalies)
            elif not isinstance(judgement.expected, str) or _check_title(judgement) != title:
                facts[fact(judgement)] = None
        facts.update(dict.fromkeys(_complaints(line)))
    return Cause(
        title=title,
        lines=tuple(lines),
        anomalies=tuple((anomaly, count) for anomaly, count in counted.most_common() if count),
        samples=tuple(
            islice(_distinct(sample for line in lines for sample in samples_of(line)), KEPT_SAMPLES)
        ),
        facts=tuple(facts),
        command=rerun_cell(lines[0].key, subject.plan.release_id),
    )


def _complaints(line: CellLine) -> list[str]:
    """What the engine said about loads that ended otherwise than they must."""
    wrong = {
        j.step for j in _failed_judgements(line) if isinstance(j, CheckJudgement) and j.name == "load_ended"
    }
    loads = line.evidence.loads if line.evidence else ()
    return [
        f"the engine said: {visible(load.message)[:MAX_FACT]}"
        for load in loads
        if load.message and any(load.step.startswith(step) or step.startswith(load.step) for step in wrong)
    ]


def _failed_judgements(line: CellLine) -> list[RowJudgement | CheckJudgement]:
    judgements = line.evidence.judgements if line.evidence else ()
    return [judgement for judgement in judgements if judgement.outcome is Outcome.FAILED]


def _reasonless(line: CellLine) -> str:
    if line.flaky:
        return "flaky: failed before, passed now, nothing changed"
    return line.detail or "no judgement was recorded"
