"""The lineage graph: source table, sink table, what dbt made of it, and where it ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.dbt_lineage import (
    DbtLineage,
    DbtTarget,
    DbtTest,
    GraphNode,
    NodeState,
    TestState,
)
from certification_pipeline.report.graph import Arrow, Box, layered_graph
from certification_pipeline.report.tally import SYMBOL, Tally

_KINDS: Mapping[str, str] = {"load_source": "source", "source": "sink"}
_OUTCOMES: Mapping[NodeState | TestState, Outcome] = {
    "passed": Outcome.PASSED,
    "loaded": Outcome.PASSED,
    "failed": Outcome.FAILED,
    "not_loaded": Outcome.FAILED,
    "warned": Outcome.FAILED,
    "skipped": Outcome.UNTESTED,
    "no_result": Outcome.UNTESTED,
    "claimed": Outcome.UNTESTED,
    "declared": Outcome.INAPPLICABLE,
}
"""Which of the page's colours a state is drawn in; the state itself is written beside it."""

MOST_TESTS = 100


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """One column and all it is made of: (what, column)."""

    name: str
    origins: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class NodeColumns:
    """One node with its columns, for the list under the graph."""

    node: GraphNode
    outcome: Outcome
    columns: tuple[ColumnOrigin, ...]


@dataclass(frozen=True, slots=True)
class TargetView:
    """The graph of one target."""

    target: DbtTarget
    drawn: Markup
    nodes: tuple[NodeColumns, ...]
    tests: Tally
    red_tests: tuple[tuple[Outcome, DbtTest], ...]


def target_views(made: DbtLineage) -> tuple[TargetView, ...]:
    """One view a target, in the artifact's order."""
    return tuple(_view(target) for target in made.targets)


def _view(target: DbtTarget) -> TargetView:
    names = {node.id: node.name for node in target.nodes}
    boxes = [_box(node) for node in target.nodes]
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in target.column_edges:
        pairs[edge.upstream, edge.downstream].append(f"{edge.upstream_column} → {edge.downstream_column}")
    listed = {(edge.upstream, edge.downstream): edge.by for edge in target.edges}
    arrows = [
        # A column edge whose tables no edge joins is drawn all the same.
        Arrow(up, down, _tip(names.get(up, up), names.get(down, down), listed.get((up, down)), columns))
        for (up, down), columns in {**{key: pairs.get(key, []) for key in listed}, **pairs}.items()
    ]
    outcomes = [(_OUTCOMES[test.state], test) for test in target.tests]
    return TargetView(
        target=target,
        drawn=layered_graph(boxes, arrows, f"Lineage on {target.target}: {len(boxes)} tables and models"),
        nodes=tuple(
            NodeColumns(node, _OUTCOMES[node.state], _columns(node, target, names)) for node in target.nodes
        ),
        tests=Tally.of(outcome for outcome, _ in outcomes),
        red_tests=tuple(each for each in outcomes if each[0] is not Outcome.PASSED)[:MOST_TESTS],
    )


def _box(node: GraphNode) -> Box:
    outcome = _OUTCOMES[node.state]
    role = _KINDS.get(node.kind)
    kind = f"{node.system} {role}" if role else node.materialized or node.kind
    columns = f"\n{', '.join(node.columns)}" if node.columns else ""
    said = f": {node.message}" if node.message else ""
    return Box(
        id=node.id,
        title=node.name,
        note=f"{SYMBOL[outcome]} {node.state.replace('_', ' ')} · {kind}",
        css=outcome.value.lower(),
        tip=f"{node.id} ({node.state}){said}{columns}",
    )


def _tip(up: str, down: str, by: str | None, columns: list[str]) -> str:
    how = f"by {by}" if by else "columns only"
    listed = f": {'; '.join(columns)}" if columns else ""
    return f"{up} → {down}, {how}, {len(columns)} column edges{listed}"


def _columns(node: GraphNode, target: DbtTarget, names: Mapping[str, str]) -> tuple[ColumnOrigin, ...]:
    origins: dict[str, list[tuple[str, str]]] = {name: [] for name in node.columns}
    for edge in target.column_edges:
        if edge.downstream == node.id:
            from_ = (names.get(edge.upstream, edge.upstream), edge.upstream_column)
            origins.setdefault(edge.downstream_column, []).append(from_)
    return tuple(ColumnOrigin(name, tuple(found)) for name, found in origins.items())
