"""OpenLineage run events of dbt's models: START, then COMPLETE or FAIL, one JSON object a line.

A function of the artifact's own content, so that anybody can write the same bytes again and compare. Shapes:
https://openlineage.io/spec/2-0-2/OpenLineage.json and the facets named below. The dataset a load wrote
carries that load's run id as its version: where the load's own events and these meet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import JsonValue

from certification_pipeline.evidence.dbt.artifacts import Result, RunResults, read_dbt
from certification_pipeline.evidence.dbt_lineage import DbtTarget, GraphNode
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance

PRODUCER = "urn:certification_pipeline:dbt_lineage"
_EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_ENDS: Mapping[str, str] = {"passed": "COMPLETE", "failed": "FAIL", "skipped": "ABORT"}

Json = dict[str, JsonValue]


def events_of(
    targets: tuple[DbtTarget, ...],
    content: Mapping[str, bytes],
    plan: CertificationPlan,
    provenance: Provenance,
) -> tuple[bytes, int]:
    """All events, in dbt's order, and how many they are."""
    events: list[Json] = []
    for target in targets:
        path = next((file.path for file in target.files if file.role == "run_results"), None)
        with suppress(EvidenceError):  # what cannot be read is told as a blocker already
            if path is not None and path in content:
                results = read_dbt(content[path], RunResults, path)
                events += _Writer(target, results, plan, provenance).events()
    lines = (json.dumps(event, sort_keys=True, separators=(",", ":")) + "\n" for event in events)
    return "".join(lines).encode(), len(events)


@dataclass(frozen=True)
class _Writer:
    target: DbtTarget
    results: RunResults
    plan: CertificationPlan
    provenance: Provenance

    def events(self) -> Iterator[Json]:
        nodes = {node.id: node for node in self.target.nodes}
        for result in self.results.results:
            node = nodes.get(result.unique_id)
            if node is None or node.state not in _ENDS:
                continue
            began, ended = self._times(result)
            yield self._event("START", began, node, result)
            yield self._event(_ENDS[node.state], ended, node, result)

    def _times(self, result: Result) -> tuple[datetime, datetime]:
        written = self.results.metadata.generated_at
        began = [phase.started_at for phase in result.timing if phase.started_at]
        ended = [phase.completed_at for phase in result.timing if phase.completed_at]
        return min(began, default=written), max(ended, default=written)

    def _event(self, kind: str, when: datetime, node: GraphNode, result: Result) -> Json:
        invocation = self.results.metadata.invocation_id
        run: Json = {
            "runId": str(uuid5(NAMESPACE_URL, f"{invocation}/{node.id}")),
            "facets": {"parent": self._parent()},
        }
        if kind == "FAIL":
            said = " ".join((result.message or result.status).split())[:2000]
            run["facets"] = {
                "parent": self._parent(),
                "errorMessage": _facet(
                    "1-0-1/ErrorMessageRunFacet", {"message": said, "programmingLanguage": "SQL"}
                ),
            }
        upstream = [edge.upstream for edge in self.target.edges if edge.downstream == node.id]
        nodes = {each.id: each for each in self.target.nodes}
        done = kind == "COMPLETE"
        return {
            "eventType": kind,
            "eventTime": when.isoformat(),
            "producer": PRODUCER,
            "schemaURL": _EVENT,
            "run": run,
            "job": {"namespace": self._namespace(), "name": f"{self.target.target}.{node.id}"},
            "inputs": [self._dataset(nodes[each]) for each in upstream if each in nodes],
            "outputs": [self._dataset(node, lineage=done)],
        }

    def _namespace(self) -> str:
        return f"certification_pipeline/{self.plan.subject.engine}"

    def _parent(self) -> Json:
        """The certification run this belongs to."""
        run_id = self.provenance.run_id
        try:
            run_id = str(UUID(run_id))
        except ValueError:
            run_id = str(uuid5(NAMESPACE_URL, run_id))
        body: Json = {
            "run": {"runId": run_id},
            "job": {"namespace": self._namespace(), "name": f"dbt_lineage.{self.target.target}"},
        }
        return _facet("1-2-0/ParentRunFacet", body)

    def _dataset(self, node: GraphNode, *, lineage: bool = False) -> Json:
        fields: list[JsonValue] = [{"name": column} for column in node.columns]
        facets: Json = {"schema": _facet("1-2-0/SchemaDatasetFacet", {"fields": fields})} if fields else {}
        if node.state == "loaded" and self.target.loads:
            version: Json = {"datasetVersion": self.target.loads[-1].run_id}
            facets["version"] = _facet("1-0-1/DatasetVersionDatasetFacet", version)
        if lineage and (found := self._columns(node)):
            facets["columnLineage"] = _facet("1-2-0/ColumnLineageDatasetFacet", {"fields": found})
        return {**self._name(node), "facets": facets}

    def _name(self, node: GraphNode) -> Json:
        name = f"{node.schema_name}.{node.name}" if node.schema_name else node.name
        return {"namespace": node.system, "name": name}

    def _columns(self, node: GraphNode) -> Json:
        nodes = {each.id: each for each in self.target.nodes}
        found: dict[str, list[JsonValue]] = {}
        for edge in self.target.column_edges:
            if edge.downstream == node.id and edge.upstream in nodes:
                origin: Json = {**self._name(nodes[edge.upstream]), "field": edge.upstream_column}
                found.setdefault(edge.downstream_column, []).append(origin)
        return {column: {"inputFields": origins} for column, origins in found.items()}


def _facet(name: str, body: Json) -> Json:
    kind = name.rsplit("/", 1)[-1]
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{name}.json#/$defs/{kind}", **body}
