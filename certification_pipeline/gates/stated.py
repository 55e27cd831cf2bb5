"""What a vendor's document says, beside what evidence shows: supported, disproved, or not tested here.

One counter-example disproves. Support needs every part of the statement seen to hold, and nothing seen that
speaks against it; what was not tested is told with its reason, and supports nothing (law 2). Without evidence
of an engine, a finding disproves what it names: it has a script that shows the defect without this harness.
Pure: evidence comes in as values, whether it was read from a release or from a published record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim
from certification_pipeline.catalog.delivery import DeclaredRow
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.findings import Finding
from certification_pipeline.catalog.stated import StatedGuarantee, StatedLevel, Statement
from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, Support
from certification_pipeline.gates.stated_seen import CellSeen, GuaranteeSeen, LevelSeen, Seen

WHOLE = "*"
"""The scenario of a finding's pattern that names none in particular."""
FIELDS = "obs.fields"
"""The scenario that holds an engine to the fields it reports."""
_SHOWN = 3
"""Scenarios told by name."""
_DONE = frozenset({Support.FULL, Support.PARTIAL})
_DEFECTS = ("engine", "library")
"""Causes of findings that speak against a document; a declared limit is what the document says."""


class ClaimVerdict(StrEnum):
    """What became of a statement, worst first."""

    DISPROVED = "disproved"
    NOT_TESTED = "not tested here"
    SUPPORTED = "supported"

    @property
    def outcome(self) -> Outcome:
        """As the gates fold it."""
        return _OUTCOMES[self]


_OUTCOMES = {
    ClaimVerdict.DISPROVED: Outcome.FAILED,
    ClaimVerdict.NOT_TESTED: Outcome.UNTESTED,
    ClaimVerdict.SUPPORTED: Outcome.PASSED,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a statement."""

    verdict: ClaimVerdict
    because: str
    cell: str | None = None
    """The counter-example, ``route/strategy/scenario``."""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A statement for one engine. Its verdict is the worst of its parts."""

    statement: Statement
    engine: str
    seen: Seen | None
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def verdict(self) -> ClaimVerdict:
        """Worst first, as the enumeration is ordered; no part at all proves nothing."""
        order = list(ClaimVerdict)
        return min((part.verdict for part in self.parts), key=order.index, default=ClaimVerdict.NOT_TESTED)

    @property
    def decisive(self) -> Part:
        """The part that the verdict comes from."""
        return next(part for part in self.parts if part.verdict is self.verdict)


@dataclass(frozen=True)
class Asked:
    """Whom a statement is put to: an engine, its evidence if there is any, and what is known of it."""

    engine: Engine
    seen: Seen | None
    catalog: Catalog
    findings: Sequence[Finding]


def judge(statement: Statement, asked: Asked) -> Judged:
    """What the engine's evidence, or without it what is known of the engine, makes of a statement."""
    parts: list[Part] = []
    engine, seen = asked.engine, asked.seen
    if statement.guarantee is not None:
        parts.append(_guarantee(statement.guarantee, asked))
        if not delivers(engine, statement.guarantee, asked.catalog):
            return Judged(statement, engine.id, seen, tuple(parts))  # the line is not about this engine
    if statement.level is not None:
        parts.append(_level(statement.level, asked))
    if statement.fields:
        parts.append(_fields(statement.fields, asked))
    if statement.scenarios:
        parts.append(_scenarios(Wanted(statement.scenarios, statement.contradicted_by), asked))
    return Judged(statement, engine.id, seen, tuple(parts))


def delivers(engine: Engine, stated: StatedGuarantee, catalog: Catalog) -> tuple[tuple[str, str, Claim], ...]:
    """(route, strategy, claim) of everything that engine is configured to deliver under that row."""
    table, row = catalog.guarantees[stated.table], _row(stated, catalog)
    profile = engine.delivery.profile if engine.delivery and engine.delivery.table == table.id else None
    if profile is None or not table.covers(row, profile):
        return ()
    return tuple(
        (f"{route.source}_to_{route.sink}", strategy.value, claim)
        for route in engine.routes
        for strategy, claim in route.strategies.items()
        if claim.delivers is not None
        and (claim.delivers.source, claim.delivers.sink) == (row.source, row.sink)
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cells speak to a statement, and what in them speaks against it."""

    patterns: Sequence[str]
    against: Sequence[str] = ()
    """Patterns of anomalies and failed checks; none: any failure."""
    unit: str | None = None
    """Only cells of this system or route."""

    def takes(self, cell: CellSeen) -> bool:
        """Whether the cell is meant."""
        return _within(cell, self.unit) and matches_any(cell.scenario, self.patterns)

    def contradicted(self, shows: Iterable[str] | None) -> bool:
        """Whether what a failure shows speaks against the statement; what is not known does not."""
        return not self.against or any(matches_any(name, self.against) for name in shows or ())


def _scenarios(wanted: Wanted, asked: Asked) -> Part:
    """Every pattern must be seen to hold, and no cell to fail by what speaks against the statement."""
    if asked.seen is None:
        return _known(wanted, asked)
    patterns = wanted.patterns
    meant = [cell for cell in asked.seen.cells if wanted.takes(cell)]
    cells = [cell for cell in meant if cell.outcome is not Outcome.INAPPLICABLE]
    failed = [cell for cell in cells if cell.outcome is Outcome.FAILED]
    if against := [cell for cell in failed if wanted.contradicted(cell.shows)]:
        return _disproved(against, cells)
    passed = [cell for cell in cells if cell.outcome is Outcome.PASSED]
    doubtful = [cell for cell in cells if cell.outcome is Outcome.CANT_TELL]
    if doubtful:
        why = f"{len(doubtful)} cells prove nothing either way, {doubtful[0].name} for one"
        return Part(ClaimVerdict.NOT_TESTED, why)
    shown = {cell.scenario for cell in passed}
    missing = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in shown)]
    if passed and not missing:
        routes = ", ".join(sorted({cell.route for cell in passed}))
        rest = f"; not shown: {_reasons(cells)}" if len(cells) > len(passed) else ""
        return Part(ClaimVerdict.SUPPORTED, f"{len(passed)} cells passed on {routes}{rest}")
    open_ = [cell for cell in meant if matches_any(cell.scenario, missing)]
    why = f"{_few(missing)}: {_reasons(open_)}"
    names = dict.fromkeys(name for cell in failed for name in cell.findings)
    return Part(ClaimVerdict.NOT_TESTED, why, findings=tuple(names))


def _disproved(failed: Sequence[CellSeen], cells: Sequence[CellSeen]) -> Part:
    first = next((cell for cell in failed if cell.findings), failed[0])
    tested = sum(cell.outcome in (Outcome.PASSED, Outcome.FAILED) for cell in cells)
    why = f"{len(failed)} of {tested} tested cells failed: {first.seen or 'see its evidence'}"
    names = dict.fromkeys(name for cell in failed for name in cell.findings)
    return Part(ClaimVerdict.DISPROVED, why, first.name, tuple(names))


def _known(wanted: Wanted, asked: Asked) -> Part:
    """Without evidence: what findings name in particular, else why nothing is known."""
    cells = list(_claimed(wanted, asked))
    named = [
        (finding, cell)
        for finding in asked.findings
        if finding.about(asked.engine)
        and finding.cause in _DEFECTS
        and wanted.contradicted(shown_by(finding))
        for cell in [_named(finding, cells)]
        if cell is not None
    ]
    if named:
        finding, cell = named[0]
        why = f"{finding.title} (`certify findings reproduce {finding.id}` shows it in {finding.versions})"
        return Part(
            ClaimVerdict.DISPROVED, why, cell, tuple(dict.fromkeys(finding.id for finding, _ in named))
        )
    if not cells:
        return Part(ClaimVerdict.NOT_TESTED, _unclaimed(wanted.unit, asked))
    return Part(ClaimVerdict.NOT_TESTED, "no evidence of it is here, and no finding speaks of it")


def _named(finding: Finding, cells: Iterable[str]) -> str | None:
    """The first of these cells that the finding names by scenario; ``*`` names none in particular."""
    particular = [
        pattern for pattern in finding.cells if pattern.count("/") > 1 and pattern.rpartition("/")[2] != WHOLE
    ]
    return next((cell for cell in cells for pattern in particular if fnmatchcase(cell, pattern)), None)


def shown_by(finding: Finding) -> tuple[str, ...]:
    """Anomalies and failed checks of the cells that a finding explains."""
    return () if finding.shows is None else (*finding.shows.anomalies, *finding.shows.checks)


def _claimed(wanted: Wanted, asked: Asked) -> Iterator[str]:
    """``route/strategy/scenario`` of what the engine claims to do, and is there to do it."""
    for route in asked.engine.routes:
        if wanted.unit is not None and wanted.unit not in places(route.source, route.sink):
            continue
        for strategy, claim in route.strategies.items():
            if claim.support not in _DONE:
                continue
            for scenario in asked.catalog.scenarios.values():
                if strategy in scenario.strategies and matches_any(scenario.id, wanted.patterns):
                    yield f"{route.source}_to_{route.sink}/{strategy}/{scenario.id}"


def _unclaimed(unit: str | None, asked: Asked) -> str:
    if unit is not None and "_to_" not in unit and unit not in asked.catalog.systems:
        return "the catalogue has no such system: only the vendor's own could show it"
    return _not_done(
        claim.support
        for route in asked.engine.routes
        if unit is None or unit in places(route.source, route.sink)
        for claim in route.strategies.values()
    )


def _not_done(supports: Iterable[Support]) -> str:
    found = set(supports)
    if Support.NOT_IN_ARTIFACT in found:
        return "the released artifact was built without it"
    if Support.NOT_IMPLEMENTED in found:
        return "the driver here does not do it yet"
    return "no route here asks it"


def _level(stated: StatedLevel, asked: Asked) -> Part:
    policy = asked.catalog.policies[stated.policy]
    order = [level.id for level in policy.levels]
    wanted = order.index(stated.level)
    levels = asked.seen.levels if asked.seen else ()
    found = next((one for one in levels if (one.unit, one.policy) == (stated.unit, stated.policy)), None)
    if found is not None and found.level is not None and order.index(found.level) >= wanted:
        return Part(ClaimVerdict.SUPPORTED, f"`{found.level}` is granted: {found.why}")
    patterns = [
        pattern
        for level in policy.levels[: wanted + 1]
        for requirement in level.requirements
        for pattern in requirement.scenarios
    ]
    part = _scenarios(Wanted(patterns, unit=stated.unit), asked)
    if part.verdict is ClaimVerdict.DISPROVED:
        return part
    refuted = next(
        (told for level, told in (found.refuted if found else ()) if order.index(level) <= wanted), None
    )
    if refuted is not None:
        return Part(ClaimVerdict.DISPROVED, refuted)
    return Part(ClaimVerdict.NOT_TESTED, _ungranted(stated, found, part, asked))


def _ungranted(stated: StatedLevel, found: LevelSeen | None, part: Part, asked: Asked) -> str:
    """Why a level that nothing speaks against is not shown: it asks for more than cells."""
    if found is not None:
        return f"`{found.level or 'no level'}` is granted: {found.why}"
    if asked.seen is not None and not any(_within(cell, stated.unit) for cell in asked.seen.cells):
        return _unclaimed(stated.unit, asked)
    if part.verdict is ClaimVerdict.SUPPORTED:
        return f"no level was computed; {part.because}"
    return part.because


def _guarantee(stated: StatedGuarantee, asked: Asked) -> Part:
    row, routes = _row(stated, asked.catalog), delivers(asked.engine, stated, asked.catalog)
    if not routes:
        return Part(ClaimVerdict.NOT_TESTED, "no engine here is configured to deliver that row")
    supports = {claim.support for *_, claim in routes}
    if not supports & _DONE:
        return Part(ClaimVerdict.NOT_TESTED, _not_done(supports))
    meant = {(route, strategy) for route, strategy, _ in routes}
    guarantees = asked.seen.guarantees if asked.seen else ()
    return _upheld(row.guarantee, [one for one in guarantees if (one.route, one.strategy) in meant])


def _upheld(stated: Guarantee, shown: Sequence[GuaranteeSeen]) -> Part:
    for one in shown:
        if one.bound.rank < stated.rank:
            why = f"{stated} is stated, {one.bound} was observed on {one.route} ({one.strategy})"
            return Part(ClaimVerdict.DISPROVED, why, one.counter_example)
    if not shown:
        return Part(ClaimVerdict.NOT_TESTED, f"{stated}: no load was broken to try it")
    if not all(one.enough for one in shown):
        why = f"{stated}: nothing observed speaks against it, and too few loads were killed to uphold it"
        return Part(ClaimVerdict.NOT_TESTED, why)
    routes = ", ".join(sorted({one.route for one in shown}))
    return Part(ClaimVerdict.SUPPORTED, f"{stated} was upheld on {routes}")


def _row(stated: StatedGuarantee, catalog: Catalog) -> DeclaredRow:
    table = catalog.guarantees[stated.table]
    return next(row for row in table.rows if (row.source, row.sink) == (stated.source, stated.sink))


def _fields(fields: Sequence[str], asked: Asked) -> Part:
    """What is absent here is not disproved: a driver hands on what it knows how to read."""
    if asked.seen is None:
        return Part(ClaimVerdict.NOT_TESTED, "no evidence of it is here")
    silent = [name for name in fields if name not in asked.engine.reports]
    if silent:
        why = f"{', '.join(silent)}: the driver here finds no such field in what a run answers"
        return Part(ClaimVerdict.NOT_TESTED, why)
    if asked.seen.records is None:
        return _scenarios(Wanted([FIELDS]), asked)
    for name in fields:
        stated, loads = asked.seen.records.get(name, (0, 0))
        if not loads or stated < loads:
            return Part(ClaimVerdict.NOT_TESTED, f"{name}: {stated} of {loads} run records state it")
    loads = max(total for _, total in asked.seen.records.values())
    return Part(ClaimVerdict.SUPPORTED, f"{', '.join(fields)}: in each of {loads} run records")


def places(source: str, sink: str) -> tuple[str, str, str]:
    """What a route is part of: both ends, and itself."""
    return source, sink, f"{source}_to_{sink}"


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """By fnmatch."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _within(cell: CellSeen, unit: str | None) -> bool:
    return unit is None or unit in places(cell.source, cell.sink)


def _reasons(cells: Iterable[CellSeen]) -> str:
    counted = Counter(_reason(cell) for cell in cells if cell.outcome is not Outcome.PASSED)
    told = (f"{reason} ({count})" for reason, count in counted.most_common())
    return ", ".join(told) or "no cell of it was planned"


def _reason(cell: CellSeen) -> str:
    if cell.outcome is Outcome.FAILED:
        return "failed for another reason"
    return cell.reason.value.replace("_", " ") if cell.reason else cell.outcome.value


def claims_outcome(found: Iterable[Judged]) -> Outcome:
    """The worst of all verdicts; no statement at all is untested."""
    return Outcome.worst(one.verdict.outcome for one in found)
