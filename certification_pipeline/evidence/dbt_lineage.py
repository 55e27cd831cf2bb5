"""``dbt_lineage.json``: certified loads, what dbt made of them, and the graph from source to model column.

Shapes only; what follows from what is in ``evidence.dbt``.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.cell import Judgement, LoadEvidence, ServiceUse
from certification_pipeline.evidence.decision import Decision

DBT_FOLDER = "dbt"
DBT_EVENTS = "dbt_openlineage_events.jsonl"

FileRole = Literal["manifest", "run_results", "catalog", "first_run_results"]
NodeKind = Literal["load_source", "source", "seed", "model", "snapshot", "exposure"]
NodeState = Literal["passed", "failed", "skipped", "no_result", "loaded", "claimed", "not_loaded", "declared"]
TestState = Literal["passed", "failed", "warned", "skipped", "no_result"]


class DbtFile(Model):
    """One of dbt's own artifacts, kept beside this file as dbt wrote it."""

    role: FileRole
    path: str = Field(examples=["dbt/duckdb/run_results.json"])
    sha256: Digest | None = Field(description="None: dbt did not write it")


class DbtCommand(Model):
    """One invocation of dbt. ``ended`` says that dbt came to its end, not that models are right."""

    command: str = Field(examples=["build"])
    ended: bool
    message: str | None = None
    seconds: float = Field(ge=0)


class GraphNode(Model):
    """A thing with columns, or an exposure."""

    id: str = Field(description="dbt's unique id; for what a load read, dataset.<system>.<schema>.<table>")
    kind: NodeKind
    name: str
    system: str
    schema_name: str = ""
    materialized: str | None = None
    columns: tuple[str, ...] = ()
    state: NodeState
    message: str | None = None
    seconds: float | None = None


class GraphEdge(Model):
    """Data flows from ``upstream`` to ``downstream``."""

    upstream: str
    downstream: str
    by: Literal["load", "dbt"]


class ColumnEdge(Model):
    """A value of one column goes into another; what only filters or joins is no edge."""

    upstream: str
    upstream_column: str
    downstream: str
    downstream_column: str


class DbtTest(Model):
    """One data or unit test of the project."""

    unique_id: str
    name: str
    of: tuple[str, ...] = Field((), description="nodes it looks at")
    state: TestState
    failures: int | None = None
    message: str | None = None


class DbtTarget(Model):
    """The project on one system.

    Loads, judgements, commands and the files named are what was seen; nodes, edges and tests follow from
    them.
    """

    target: str
    adapter: str | None = Field(description="as the manifest says")
    dbt_version: str | None
    services: tuple[ServiceUse, ...] = ()
    loads: tuple[LoadEvidence, ...] = ()
    judgements: tuple[Judgement, ...] = Field(
        (), description="the oracle's on each load, then ours on what dbt made of it"
    )
    claimed_tables: tuple[str, ...] = Field((), description="given: tables the caller says are loaded")
    commands: tuple[DbtCommand, ...] = ()
    files: tuple[DbtFile, ...]
    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    column_edges: tuple[ColumnEdge, ...] = ()
    tests: tuple[DbtTest, ...] = ()
    outcome: Outcome


class LeftOut(Model):
    """A target this profile, engine or request leaves out, and why."""

    target: str
    why: str


class EventsFile(Model):
    """OpenLineage events of the models, one a line."""

    path: str = DBT_EVENTS
    sha256: Digest
    events: int = Field(ge=0)


class DbtLineage(Decision):
    """Green when each target's load is certified and everything dbt was to do on it was done and passed."""

    KIND: ClassVar[str] = "dbt_lineage"

    source: Literal["executed", "given"] = Field(
        description="executed: we loaded, judged and ran dbt; given: artifacts somebody handed in, a claim"
    )
    tool_digest: Digest | None = Field(None, description="of the lock file dbt was installed from")
    sql_parser: str = Field(description="version of sqlglot that read the compiled SQL")
    targets: tuple[DbtTarget, ...]
    left_out: tuple[LeftOut, ...] = ()
    events: EventsFile | None = None
    output_dir: str = "."

    @property
    def models(self) -> tuple[tuple[str, GraphNode], ...]:
        """Target and node of everything dbt builds."""
        return tuple(
            (each.target, node)
            for each in self.targets
            for node in each.nodes
            if node.kind in {"model", "snapshot", "seed"}
        )

    @property
    def test_count(self) -> int:
        """Tests over all targets."""
        return sum(len(each.tests) for each in self.targets)
