"""Red gate: a release that may not go out; and green again, when what was red is mended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from certification_pipeline.alerts.decisions import (
    Decided,
    Sealed,
    decisions,
    sealed_of,
    was_red_before,
)
from certification_pipeline.alerts.links import summary_page
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.cell import CellEvidence, RowJudgement
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.notify import words
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from certification_pipeline.report.tables import key_text
from certification_pipeline.report.visible import both_sides, plain, short

FIRST_BLOCKERS = 5
FIRST_ROUTES = 6
FIRST_STEPS = 3
LONGEST_BLOCKER = 220
"""Characters: a suite's blocker repeats those of everything below it."""
BEFORE = timedelta(days=45)
"""So far back an earlier decision of the same scope is looked for."""
_SAYS = {
    Outcome.FAILED: "RED",
    Outcome.CANT_TELL: "INCONCLUSIVE",
    Outcome.UNTESTED: "UNTESTED",
    Outcome.INAPPLICABLE: "UNTESTED",
}


class RedRoute(NamedTuple):
    """A route with failed cells, and one row that shows what is wrong."""

    route: str
    strategies: tuple[str, ...]
    cells: int
    sample: str


def gate_notices(
    store: EvidenceStore, now: datetime, lookback: timedelta, link: str | None = None
) -> list[Notice]:
    """A notice for every decision since ``now - lookback`` that is not green, or is green again."""
    known = [one for one in decisions(store, now - lookback - BEFORE) if one.at <= now]
    found = []
    for index, one in enumerate(known):
        if one.at < now - lookback:
            break
        if not one.green:
            found.append(_red(store, one, link))
        elif (before := _red_before(store, one, known[index + 1 :])) is not None:
            found.append(_green_again(one, before, link))
    return found


def _red(store: EvidenceStore, one: Decided, link: str | None) -> Notice:
    directory = store.release(one.release_id, one.engine)
    sealed = sealed_of(store, one)
    says = _SAYS.get(one.outcome, "RED")
    if one.unreadable is not None:
        text: tuple[str, ...] = (f"Its release summary cannot be read, so nobody can say: {one.unreadable}",)
        steps: tuple[str, ...] = (f"certify verify {store.root}",)
        told = "cannot be read"
    else:
        routes = red_routes(directory)
        text = tuple(filter(None, (_origin(sealed), _blocks(one.blockers), _routes(routes))))
        steps = tuple(dict.fromkeys(blocker.next_step for blocker in one.blockers))[:FIRST_STEPS]
        told = "may not go out"
    return Notice(
        key=f"red_gate:{one.engine}:{one.release_id}:{_facts(one)}",
        kind=NoticeKind.RED_GATE,
        severity=Severity.CRITICAL if one.outcome is Outcome.FAILED else Severity.WARNING,
        at=one.at,
        subject=one.subject,
        title=f"{says}: {one.subject}, release {one.release_id} {told}",
        text=text,
        what_to_do=steps,
        link=summary_page(link, one.engine),
        thread=f"gate {one.engine}",
    )


def _green_again(one: Decided, before: Decided, link: str | None) -> Notice:
    same = before.release_id == one.release_id
    was = (
        "It was not green when it was decided before."
        if same
        else (f"The one before it, {before.release_id} of {before.at:%Y-%m-%d}, was {before.outcome.value}.")
    )
    return Notice(
        key=f"green_again:{one.engine}:{one.release_id}",
        kind=NoticeKind.GREEN_AGAIN,
        severity=Severity.INFO,
        at=one.at,
        subject=one.subject,
        title=f"Green again: {one.subject}, release {one.release_id}",
        text=(was,),
        link=summary_page(link, one.engine),
        thread=f"gate {one.engine}",
    )


def _red_before(store: EvidenceStore, one: Decided, earlier: Sequence[Decided]) -> Decided | None:
    """What was red before this green, of the same scope: the decision before it, if that was not green."""
    if was_red_before(store, one):
        return one
    sealed = sealed_of(store, one)
    for before in earlier:
        if before.engine != one.engine or sealed is None:
            continue
        theirs = sealed_of(store, before)
        if theirs is not None and theirs.scope == sealed.scope:
            return None if before.green else before
    return None


def red_routes(directory: SubjectDir) -> list[RedRoute]:
    """Routes with failed cells, most cells first; none when the report cannot be read."""
    try:
        report = directory.read(directory.report_path, CertificationReport)
    except EvidenceError:
        return []
    rows: dict[str, list[ReportRow]] = {}
    for row in report.results:
        if row.outcome is Outcome.FAILED:
            rows.setdefault(row.key.route_id, []).append(row)
    worst = sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        RedRoute(
            route,
            tuple(sorted({row.key.strategy.value for row in failed})),
            len(failed),
            _sample(directory, failed) if index < FIRST_ROUTES else "",
        )
        for index, (route, failed) in enumerate(worst)
    ]


def _sample(directory: SubjectDir, rows: Iterable[ReportRow]) -> str:
    """One anomalous row in words; else what the first failed cell says of itself."""
    said = ""
    for row in list(rows)[:FIRST_ROUTES]:
        try:
            cell = directory.read(directory.cell_path(row.case_id), CellEvidence)
        except EvidenceError:
            continue
        for sample in _samples(cell):
            return sample
        said = said or short(row.detail or "")
    return said


def _samples(cell: CellEvidence) -> Iterator[str]:
    for judgement in cell.judgements:
        if isinstance(judgement, RowJudgement) and judgement.outcome is Outcome.FAILED:
            for row in judgement.samples:
                expected, found = (short(plain(side)) for side in both_sides(row))
                where = f" {row.column}" if row.column else ""
                yield (
                    f"{row.anomaly.value} {short(key_text(row.key))}{where}: expected {expected}, "
                    f"found {found} ({judgement.step})"
                )


def _origin(sealed: Sealed | None) -> str:
    if sealed is None:
        return "Its plan cannot be read."
    begun = "a schedule" if sealed.trigger is Trigger.SCHEDULE else "hand"
    return f"Profile {sealed.scope.profile}; begun by {begun}."


def _blocks(blockers: Sequence[Blocker]) -> str:
    if not blockers:
        return "No blocker is named."
    lines = [
        words.cut(f"  {short(blocker.code)}: {short(blocker.message)}", LONGEST_BLOCKER)
        for blocker in blockers[:FIRST_BLOCKERS]
    ]
    more = len(blockers) - FIRST_BLOCKERS
    return "\n".join(("What blocks:", *lines, *([f"  … and {more} more"] if more > 0 else [])))


def _routes(routes: Sequence[RedRoute]) -> str:
    if not routes:
        return ""
    lines = []
    for red in routes[:FIRST_ROUTES]:
        cells = f"{red.cells} cell{'s' * (red.cells != 1)} failed in {', '.join(red.strategies)}"
        lines.append(f"  {red.route.replace('_to_', ' → ')}: {cells}")
        lines += [f"    {red.sample}"] if red.sample else []
    more = len(routes) - FIRST_ROUTES
    return "\n".join(("Red routes:", *lines, *([f"  … and {more} more"] if more > 0 else [])))


def _facts(one: Decided) -> str:
    """The same while the same things block: a release decided again and still as red is no news."""
    told = "\n".join((one.outcome.value, one.unreadable or "", *sorted(b.code for b in one.blockers)))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
