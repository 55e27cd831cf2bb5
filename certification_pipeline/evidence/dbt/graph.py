"""One graph: what the load read -> what it wrote -> dbt's models, snapshots and exposures; by column, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from certification_pipeline.evidence.cell import Dataset, LoadEvidence
from certification_pipeline.evidence.dbt.artifacts import (
    Catalog,
    Manifest,
    ManifestNode,
    ManifestSource,
    Result,
)
from certification_pipeline.evidence.dbt.columns import (
    Origin,
    ReadSql,
    Relation,
    UnreadableSql,
    known_dialect,
    read_sql,
)
from certification_pipeline.evidence.dbt.findings import LOAD, MEND, Finding
from certification_pipeline.evidence.dbt.results import built, node_state
from certification_pipeline.evidence.dbt_lineage import ColumnEdge, GraphEdge, GraphNode, NodeKind, NodeState

_RELATIONS: Mapping[str, NodeKind] = {"model": "model", "snapshot": "snapshot", "seed": "seed"}


@dataclass(frozen=True)
class Loaded:
    """What came before dbt: a load of ours, or tables somebody says were loaded."""

    load: LoadEvidence | None = None
    certified: bool = False
    claimed: tuple[str, ...] = ()

    def state(self, source: ManifestSource, adapter: str) -> NodeState:
        """How the source came to be."""
        if self.load is not None and self.load.sink is not None and _same(self.load.sink, source, adapter):
            return "loaded" if self.certified else "not_loaded"
        named = f"{source.schema_}.{source.identifier}".casefold()
        return "claimed" if named in {each.casefold() for each in self.claimed} else "not_loaded"


@dataclass
class Graph:
    """Nodes and edges in a stable order, and what is wrong with them."""

    nodes: list[GraphNode] = field(default_factory=list)
    edges: list[GraphEdge] = field(default_factory=list)
    column_edges: list[ColumnEdge] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def build_graph(
    manifest: Manifest,
    catalog: Catalog | None,
    results: Mapping[str, Result],
    loaded: Loaded,
    where: str,
    *,
    every_column: bool,
) -> Graph:
    """The graph of one target. ``every_column``: SQL that cannot be read is an error, not a gap."""
    return _Builder(manifest, catalog, results, loaded, where, every_column).build()


@dataclass
class _Builder:
    manifest: Manifest
    catalog: Catalog | None
    results: Mapping[str, Result]
    loaded: Loaded
    where: str
    every_column: bool
    graph: Graph = field(default_factory=Graph)

    def __post_init__(self) -> None:
        self.adapter = self.manifest.metadata.adapter_type or ""
        self.by_relation: dict[Relation, str] = {}
        for node in built(self.manifest):
            self._place(node.unique_id, node.database, node.schema_, node.alias or node.name)
        for source in self.manifest.sources.values():
            self._place(source.unique_id, source.database, source.schema_, source.identifier)
        tables = {**self.catalog.nodes, **self.catalog.sources} if self.catalog else {}
        self.columns = {unique_id: table.names() for unique_id, table in tables.items()}
        self.tables = {
            (table.metadata.database or "", table.metadata.schema_, table.metadata.name): {
                column.name: column.type for column in table.columns.values()
            }
            for table in tables.values()
        }

    def _place(self, unique_id: str, database: str | None, schema: str | None, name: str) -> None:
        whole = _folded((database or "", schema or "", name))
        self.by_relation[whole] = unique_id
        # Some adapters leave the database out of their SQL.
        self.by_relation.setdefault(("", *whole[1:]), unique_id)

    def build(self) -> Graph:
        nodes = sorted(built(self.manifest), key=lambda node: node.unique_id)
        used = {up for node in nodes for up in self._upstream(node)}
        for source in sorted(self.manifest.sources.values(), key=lambda each: each.unique_id):
            self._source(source, used=source.unique_id in used)
        for node in nodes:
            self._node(node)
        for exposure in sorted(self.manifest.exposures.values(), key=lambda each: each.unique_id):
            self._add(
                GraphNode(
                    id=exposure.unique_id,
                    kind="exposure",
                    name=exposure.name,
                    system=self.adapter,
                    state="declared",
                ),
                exposure.depends_on.nodes,
            )
        return self.graph

    # --- what was loaded ----------------------------------------------------------------------------------

    def _source(self, source: ManifestSource, *, used: bool) -> None:
        state = self.loaded.state(source, self.adapter)
        if state == "not_loaded" and not used:
            state = "declared"
        columns = self.columns.get(source.unique_id, ())
        self._add(
            GraphNode(
                id=source.unique_id,
                kind="source",
                name=source.identifier,
                system=self.adapter,
                schema_name=source.schema_,
                columns=columns,
                state=state,
            )
        )
        if state == "not_loaded":
            readers = sorted(
                node.unique_id for node in built(self.manifest) if source.unique_id in self._upstream(node)
            )
            message = (
                f"{self.where}: no certified load wrote {source.schema_}.{source.identifier}, "
                f"which {', '.join(readers)} {'reads' if len(readers) == 1 else 'read'}"
            )
            self._find(f"source_not_loaded:{source.unique_id}", message, LOAD)
        elif used and self.catalog is not None and not columns:
            self._find(
                f"not_in_catalog:{source.unique_id}",
                f"{self.where}: the catalog does not hold the source {source.unique_id}",
                "Run `dbt docs generate` on the same target",
            )
        if state == "loaded" and self.loaded.load and self.loaded.load.source:
            self._load_edges(source, self.loaded.load, self.loaded.load.source, columns)

    def _load_edges(
        self, source: ManifestSource, load: LoadEvidence, origin: Dataset, columns: tuple[str, ...]
    ) -> None:
        read = f"dataset.{origin.system}.{origin.namespace}.{origin.name}"
        self.graph.nodes.append(
            GraphNode(
                id=read,
                kind="load_source",
                name=origin.name,
                system=origin.system,
                schema_name=origin.namespace,
                columns=tuple(column.name for column in load.columns),
                state="loaded",
            )
        )
        self.graph.edges.append(GraphEdge(upstream=read, downstream=source.unique_id, by="load"))
        there = {name.casefold(): name for name in columns}
        for column in load.columns:
            if column.name.casefold() in there:
                self._column_edge(read, column.name, source.unique_id, there[column.name.casefold()])

    # --- what dbt made ------------------------------------------------------------------------------------

    def _node(self, node: ManifestNode) -> None:
        result = self.results.get(node.unique_id)
        columns = self.columns.get(node.unique_id, ())
        state = node_state(result)
        self._add(
            GraphNode(
                id=node.unique_id,
                kind=_RELATIONS[node.resource_type],
                name=node.name,
                system=self.adapter,
                schema_name=node.schema_ or "",
                materialized=node.config.materialized,
                columns=columns,
                state=state,
                message=" ".join(result.message.split())[:400] if result and result.message else None,
                seconds=round(result.execution_time, 4) if result else None,
            ),
            self._upstream(node),
        )
        if state == "passed" and self.catalog is not None and not columns:
            self._find(
                f"not_in_catalog:{node.unique_id}",
                f"{self.where}: {node.unique_id} was built, and the catalog does not hold it",
                "Run `dbt docs generate` after the build, on the same target",
            )
        if node.resource_type == "seed" or state != "passed":
            return
        try:
            self._columns(node, self._read(node), columns)
        except UnreadableSql as error:
            if self.every_column:
                message = f"{self.where}: where the columns of {node.unique_id} come from is unknown: {error}"
                self._find(f"lineage_unresolved:{node.unique_id}", message, MEND)

    def _read(self, node: ManifestNode) -> ReadSql:
        if node.compiled_code is None or node.language not in (None, "sql"):
            raise UnreadableSql("there is no compiled SQL")
        if not known_dialect(self.adapter):
            raise UnreadableSql(f"the SQL of {self.adapter} is not known")
        return read_sql(node.compiled_code, self.adapter, self.tables)

    def _columns(self, node: ManifestNode, read: ReadSql, columns: tuple[str, ...]) -> None:
        declared = {*self._upstream(node), node.unique_id}
        for relation in sorted(read.reads):
            if relation[2] and self.by_relation.get(_folded(relation)) not in declared:
                name = ".".join(part for part in relation if part)
                message = f"{self.where}: {node.unique_id} reads {name} without ref() or source()"
                self._find(f"source_not_declared:{node.unique_id}", message, MEND)
        there = {name.casefold(): name for name in columns}
        for column in sorted(read.columns):
            for origin in sorted(read.columns[column]):
                upstream = self.by_relation.get(_folded(origin.relation))
                if upstream is None or upstream == node.unique_id:
                    continue
                spelt = self._spelt(upstream, origin)
                self._column_edge(upstream, spelt, node.unique_id, there.get(column.casefold(), column))
                self._from_load(upstream, spelt, node)

    def _from_load(self, upstream: str, column: str, node: ManifestNode) -> None:
        source = self.manifest.sources.get(upstream)
        load = self.loaded.load
        if source is None or load is None or self.loaded.state(source, self.adapter) != "loaded":
            return
        if column.casefold() not in {each.name.casefold() for each in load.columns}:
            message = f"{self.where}: {node.unique_id} takes {column} from {upstream}, which no load wrote"
            self._find(f"column_not_loaded:{upstream}.{column}", message, MEND)

    def _spelt(self, upstream: str, origin: Origin) -> str:
        there = {name.casefold(): name for name in self.columns.get(upstream, ())}
        return there.get(origin.column.casefold(), origin.column)

    def _upstream(self, node: ManifestNode) -> tuple[str, ...]:
        """What it rests on; an ephemeral model is no relation, so what that one rests on."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        waiting = list(node.depends_on.nodes)
        while waiting:
            each = waiting.pop(0)
            if each in seen:
                continue
            seen.add(each)
            known = self.manifest.nodes.get(each)
            if known is not None and known.ephemeral:
                waiting.extend(known.depends_on.nodes)
            else:
                found[each] = None
        return tuple(found)

    # --- keeping ------------------------------------------------------------------------------------------

    def _add(self, node: GraphNode, upstream: tuple[str, ...] = ()) -> None:
        self.graph.nodes.append(node)
        self.graph.edges.extend(
            GraphEdge(upstream=each, downstream=node.id, by="dbt") for each in sorted(upstream)
        )

    def _column_edge(self, upstream: str, source: str, downstream: str, column: str) -> None:
        self.graph.column_edges.append(
            ColumnEdge(
                upstream=upstream, upstream_column=source, downstream=downstream, downstream_column=column
            )
        )

    def _find(self, code: str, message: str, first: str) -> None:
        if not any(found.code == code for found in self.graph.findings):
            self.graph.findings.append(Finding(code, message, first))


def _same(sink: Dataset, source: ManifestSource, adapter: str) -> bool:
    return (sink.system, sink.namespace, sink.name) == (adapter, source.schema_, source.identifier)


def _folded(relation: Relation) -> Relation:
    return relation[0].casefold(), relation[1].casefold(), relation[2].casefold()
