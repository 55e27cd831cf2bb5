"""What was exported as OpenLineage events, loads that disagree first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.openlineage import LineageItem, OpenLineageReport
from certification_pipeline.report.graph import Arrow, Box, layered_graph

MOST_LISTED = 60
"""Loads listed of either kind; the rest is counted."""


@dataclass(frozen=True, slots=True)
class OpenLineageView:
    """Counts over all loads, and the loads."""

    made: OpenLineageReport
    jobs: int
    by_type: tuple[tuple[str, int], ...]
    """Event type and how many, in the order of a load's life."""
    disagree: tuple[LineageItem, ...]
    agree: tuple[LineageItem, ...]
    agreeing: int
    """All that agree, also those beyond the cap."""
    hidden: int
    """Loads beyond the cap, of both kinds."""
    drawn: Markup
    """Which system's tables were loaded into which."""


def openlineage_view(made: OpenLineageReport) -> OpenLineageView:
    """Count the events by type, and set the loads that disagree apart."""
    types = Counter(type_ for item in made.items for type_ in item.events)
    order = ("START", "RUNNING", "COMPLETE", "FAIL")
    names = [*(name for name in order if name in types), *sorted(set(types) - set(order))]
    wrong = [item for item in made.items if not item.passed or item.problems]
    right = [item for item in made.items if item.passed and not item.problems]
    return OpenLineageView(
        made=made,
        jobs=len({item.job for item in made.items}),
        by_type=tuple((name, types[name]) for name in names),
        disagree=tuple(wrong[:MOST_LISTED]),
        agree=tuple(right[:MOST_LISTED]),
        agreeing=len(right),
        hidden=max(0, len(wrong) - MOST_LISTED) + max(0, len(right) - MOST_LISTED),
        drawn=_drawn(made.items),
    )


def _drawn(items: Sequence[LineageItem]) -> Markup:
    """Hundreds of tables are a handful of systems: each way is drawn once and says how many loads took it."""
    ways: dict[tuple[str, str], list[LineageItem]] = defaultdict(list)
    for item in items:
        ways[_system(item.input), _system(item.output)].append(item)
    ends: dict[str, list[LineageItem]] = defaultdict(list)
    for way, taken in ways.items():
        for end in dict.fromkeys(way):
            ends[end] += taken
    boxes = [_box(end, taken) for end, taken in ends.items()]
    arrows = [Arrow(start, end, _loads(taken)) for (start, end), taken in ways.items()]
    return layered_graph(boxes, arrows, f"Load lineage: {len(items)} loads between {len(boxes)} systems")


def _box(end: str, taken: Sequence[LineageItem]) -> Box:
    role, _, system = end.partition(" ")
    agree = all(item.passed for item in taken)
    columns = {item.cell_id: item.oracle_columns for item in taken if item.oracle_columns is not None}
    return Box(
        id=end,
        title=system or end,
        note=f"{role} · {len(taken)} load" + ("" if len(taken) == 1 else "s"),
        css=(Outcome.PASSED if agree else Outcome.FAILED).value.lower(),
        tip=f"{end}: {_loads(taken)}; {sum(columns.values())} columns in {len(columns)} cells",
    )


def _loads(taken: Sequence[LineageItem]) -> str:
    wrong = sum(not item.passed for item in taken)
    return f"{len(taken)} loads, {wrong} of them disagree with the oracle"


def _system(dataset: str | None) -> str:
    """``sink duckdb`` of ``certify://reference/sink/duckdb/<cell>/<table>``."""
    parts = (dataset or "").split("/")
    if parts[0] == "certify:" and len(parts) > _SYSTEM:
        return f"{parts[_SYSTEM - 1]} {parts[_SYSTEM]}"
    return dataset or "unknown dataset"


_SYSTEM = 4
"""Where a dataset's name has the system, counted in slashes."""
