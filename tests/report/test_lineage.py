"""The lineage graph draws every node and every edge of the artifact, in the state it is in."""

from __future__ import annotations

import re

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.dbt.decision import dbt_lineage
from certification_pipeline.evidence.dbt_lineage import ColumnEdge, DbtLineage, DbtTarget, GraphEdge
from certification_pipeline.report.sections.lineage import target_views
from tests.dbt_lineage.material import CELLS, HISTORY, LANDED, ORDERS, STAGED, UNIQUE, Damage, Recorded
from tests.evidence.builders import plan, provenance
from tests.report.shown import said, shown
from tests.report.test_drawings import Drawn
from tests.report.test_html import HOSTILE


def made(damage: Damage = lambda recorded: None) -> DbtLineage:
    """The recorded run, damaged and judged."""
    recorded = Recorded()
    damage(recorded)
    artifact, _ = dbt_lineage(
        plan(CELLS),
        provenance(30),
        source="executed",
        seen=[recorded.target()],
        content=recorded.content(),
        tool_digest=None,
    )
    return artifact


def drawn(target: DbtTarget) -> Drawn:
    (view,) = target_views(made().model_copy(update={"targets": (target,)}))
    return Drawn(view.drawn)


def test_every_node_and_every_edge_is_drawn() -> None:
    (target,) = made().targets
    assert target.nodes
    found = drawn(target)
    assert set(found.boxes) == {node.id for node in target.nodes}
    assert sorted(found.edges) == sorted((edge.upstream, edge.downstream) for edge in target.edges)


def test_source_sink_and_models_stand_from_left_to_right() -> None:
    (target,) = made().targets
    at = drawn(target).boxes
    (read,) = (node.id for node in target.nodes if node.kind == "load_source")
    assert at[read][0] < at[LANDED][0] < at[STAGED][0] < at[ORDERS][0]
    assert at[LANDED][0] < at[HISTORY][0]


def test_every_column_edge_is_listed_and_told_on_its_arrow() -> None:
    artifact = made()
    (target,) = artifact.targets
    names = {node.id: node.name for node in target.nodes}
    (view,) = target_views(artifact)
    listed = {
        (node.node.id, column.name, table, origin)
        for node in view.nodes
        for column in node.columns
        for table, origin in column.origins
    }
    assert listed == {
        (e.downstream, e.downstream_column, names[e.upstream], e.upstream_column) for e in target.column_edges
    }
    counts = re.findall(r"(\d+) column edges", view.drawn)
    assert sum(int(count) for count in counts) == len(target.column_edges)
    assert f"{len(target.column_edges):,} column edges" in said(artifact)


def test_an_edge_to_nowhere_and_a_column_edge_beside_every_edge_are_drawn() -> None:
    (target,) = made().targets
    more = target.model_copy(
        update={
            "edges": (*target.edges, GraphEdge(upstream=ORDERS, downstream="model.gone", by="dbt")),
            "column_edges": (
                *target.column_edges,
                ColumnEdge(
                    upstream="model.other", upstream_column="a", downstream=ORDERS, downstream_column="b"
                ),
            ),
        }
    )
    found = drawn(more)
    assert {"model.gone", "model.other"} <= set(found.boxes)
    assert (ORDERS, "model.gone") in found.edges
    assert ("model.other", ORDERS) in found.edges


def test_a_failed_model_and_a_failed_test_are_red_with_what_they_said() -> None:
    def break_(recorded: Recorded) -> None:
        recorded.result(ORDERS).update(status="error", message="Database Error: no such column <b>x</b>")
        recorded.result(UNIQUE).update(status="fail", failures=7, message="Got 7 results")

    artifact = made(break_)
    assert artifact.outcome is Outcome.FAILED
    text = shown(artifact)
    box = text[text.index(f'data-id="{ORDERS}"') - 40 :]
    assert box.startswith('<g class="box failed"') or 'class="box failed"' in box[:60]
    assert "7 rows" in text
    assert "<b>x</b>" not in text
    for blocker in artifact.blockers:
        assert blocker.code in said(artifact)


@pytest.mark.parametrize("status", ["skipped", "some new word"])
def test_the_state_is_written_in_the_box(status: str) -> None:
    artifact = made(lambda recorded: recorded.result(HISTORY).update(status=status))
    (node,) = (node for node in artifact.targets[0].nodes if node.id == HISTORY)
    assert f" {node.state.replace('_', ' ')} · " in target_views(artifact)[0].drawn


def test_hostile_names_stay_text() -> None:
    (target,) = made().targets
    nodes = tuple(
        node.model_copy(update={"name": HOSTILE + "\u202e", "columns": (HOSTILE,)}) for node in target.nodes
    )
    text = shown(made().model_copy(update={"targets": (target.model_copy(update={"nodes": nodes}),)}))
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert "\u202e" not in text
