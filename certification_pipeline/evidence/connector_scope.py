"""Which connectors a sealed plan is about: worked out from its cells, so that none can be left out."""

from __future__ import annotations

from collections.abc import Iterable

from certification_pipeline.catalog.vocabulary import Support
from certification_pipeline.evidence.connectors import Connector
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell

_CLAIMED = (Support.FULL, Support.PARTIAL)


def connector_scope(plan: CertificationPlan) -> tuple[Connector, ...]:
    """Every connector the engine claims in the plan, sorted by name.

    One with a cell that is to be run is tested; of the others the first cell tells why not.
    """
    found: dict[str, list[tuple[str, PlannedCell]]] = {}
    for cell in plan.cells:
        if cell.support in _CLAIMED and not _served_inside(cell):
            for role, system in (("source", cell.key.source), ("sink", cell.key.sink)):
                found.setdefault(system, []).append((role, cell))
    return tuple(_connector(plan.subject.engine, system, found[system]) for system in sorted(found))


def tested(scope: Iterable[Connector]) -> tuple[Connector, ...]:
    """Those whose tests must be there."""
    return tuple(connector for connector in scope if connector.reason is None)


def connector_systems(plan: CertificationPlan) -> tuple[str, ...]:
    """The systems whose services must be up to test the plan's connectors."""
    runnable = [
        cell.key
        for cell in plan.cells
        if cell.support in _CLAIMED and cell.disposition == "run" and not _served_inside(cell)
    ]
    return tuple(dict.fromkeys(system for key in runnable for system in (key.source, key.sink)))


def _connector(engine: str, system: str, uses: list[tuple[str, PlannedCell]]) -> Connector:
    run = [use for use in uses if use[1].disposition == "run"]
    first = uses[0][1]
    return Connector(
        name=f"{engine}/{system}",
        system=system,
        roles=tuple(role for role in ("source", "sink") if any(role == each for each, _ in run or uses)),
        required=any(cell.required for _, cell in uses),
        reason=None if run else (first.reason.value if first.reason else first.disposition),
        detail=None if run else first.detail,
        remedy=None if run else first.remedy,
    )


SERVED_INSIDE = frozenset({"api"})
"""Systems that live in the harness's own process: the suite, a process of its own, could put nothing there.
Their connectors are certified by the matrix alone (``api.*``)."""


def _served_inside(cell: PlannedCell) -> bool:
    return bool(SERVED_INSIDE & {cell.key.source, cell.key.sink})
