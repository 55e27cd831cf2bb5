"""Connectors by checklist item, and what would prove those that are open."""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.connectors import Capability, Connector, ConnectorCertification
from certification_pipeline.report.steps import Step, split_step
from certification_pipeline.report.tally import WORST_FIRST

MOST_OPEN = 80


@dataclass(frozen=True, slots=True)
class ConnectorLine:
    """One connector: a capability an item, in the checklist's order; ``None`` where there is none."""

    connector: Connector
    capabilities: tuple[Capability | None, ...]


@dataclass(frozen=True, slots=True)
class OpenItems:
    """Items that share one reason and one remedy."""

    outcome: Outcome
    names: tuple[str, ...]
    required: bool
    detail: str
    remedy: Step


@dataclass(frozen=True, slots=True)
class ConnectorsView:
    """The matrix and what is open in it."""

    made: ConnectorCertification
    items: tuple[ChecklistItem, ...]
    lines: tuple[ConnectorLine, ...]
    open: tuple[OpenItems, ...]
    hidden: int


def connectors_view(made: ConnectorCertification) -> ConnectorsView:
    """Every connector in scope; then what is open, worst and required first."""
    lines = tuple(
        ConnectorLine(
            connector, tuple(made.connectors.get(connector.name, {}).get(item) for item in ChecklistItem)
        )
        for connector in made.scope
    )
    groups: dict[tuple[Outcome, bool, str, str], list[str]] = {}
    for line in lines:
        for found in line.capabilities:
            if found is not None and found.status not in (Outcome.PASSED, Outcome.INAPPLICABLE):
                key = (found.status, found.required, found.detail or "", found.remedy or "")
                groups.setdefault(key, []).append(f"{found.connector}: {found.capability.replace('_', ' ')}")
    ordered = sorted(groups.items(), key=lambda each: (WORST_FIRST.index(each[0][0]), not each[0][1]))
    opened = tuple(
        OpenItems(outcome, tuple(names), required, detail, split_step(remedy))
        for (outcome, required, detail, remedy), names in ordered
    )
    return ConnectorsView(
        made, tuple(ChecklistItem), lines, opened[:MOST_OPEN], max(0, len(opened) - MOST_OPEN)
    )
