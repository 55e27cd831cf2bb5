"""OpenLineage events and dbt's graph: files without a verdict, though a suite is passed with them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from pydantic import JsonValue

from certification_pipeline.evidence.foreign.claims import ForeignClaim
from certification_pipeline.evidence.foreign.dpone.models import ZERO, DbtGraph, LineageEvent, LineageEvents
from certification_pipeline.gates.foreign.claiming import (
    agrees,
    contradicts,
    examples,
    not_here,
    nothing,
    unproven,
)
from certification_pipeline.gates.foreign.dpone.look import Item, Look

GOOD = frozenset({"success", "pass", "unknown"})
"""Statuses of dbt's nodes that are no failure; sources have none, and dpone writes ``unknown``."""
_DONE = "COMPLETE"


def event(found: LineageEvent, path: str, look: Look) -> Iterator[ForeignClaim]:
    """One event of ``dpone ops lineage-export``."""
    yield from _event(found, "")
    run = found.run.facets.get("dpone_run", {})
    for field in ("run_registry_entry_sha256", "run_result_sha256"):
        stated = run.get(field)
        if isinstance(stated, str) and stated != ZERO:
            holder = look.folder.holding(stated)
            if holder:
                yield agrees(field, stated, f"of {holder}")
            else:
                yield not_here(field, stated, "no file in the folder has it")
    for artifact in _artifacts(found):
        name, at, digest = (artifact.get(field) for field in ("name", "path", "sha256"))
        passed = artifact.get("passed")
        if isinstance(at, str) and isinstance(digest, str):
            item = Item(f"artifacts[{name}]", at, digest, path)
            yield from item.claims(look, passed if isinstance(passed, bool) else None)
    yield nothing("passed", None, "dpone says it on standard output only: the file holds no verdict")


def events(found: LineageEvents, _path: str, _look: Look) -> Iterator[ForeignClaim]:
    """``dbt_openlineage.json``."""
    if not found.events:
        yield unproven("events", 0, "there is none")
    for number, each in enumerate(found.events):
        yield from _event(each, f"events[{number}].")


def _event(found: LineageEvent, where: str) -> Iterator[ForeignClaim]:
    try:
        uuid.UUID(found.run.runId)
    except ValueError:
        why = f"is no UUID, which {found.schemaURL} asks for: consumers refuse the event or lose the run"
        yield contradicts(f"{where}run.runId", found.run.runId, None, why)
    else:
        yield agrees(f"{where}run.runId", found.run.runId, "is a UUID")
    status = _status(found)
    done = found.eventType == _DONE
    if status is not None and done and status not in {"success", "pass", "passed"}:
        why = f"the run behind it ended as {status!r}"
        yield contradicts(f"{where}eventType", found.eventType, "FAIL", why)
    elif done:
        yield unproven(
            f"{where}eventType", found.eventType, "says that a run ended well; nothing of it is here"
        )
    else:
        yield nothing(f"{where}eventType", found.eventType, "claims no success")
    if not (found.inputs and found.outputs):
        stated = f"{len(found.inputs)} inputs, {len(found.outputs)} outputs"
        yield unproven(f"{where}inputs, outputs", stated, "lineage from nowhere, or to nowhere")
    elif not any(dataset.facets for dataset in (*found.inputs, *found.outputs)):
        why = "names typed on the command line, without schema, rows or columns"
        yield unproven(f"{where}inputs, outputs", f"{len(found.inputs)}, {len(found.outputs)}", why)


def _status(found: LineageEvent) -> str | None:
    for name in ("dpone_run", "dbt"):
        facet = found.run.facets.get(name, {})
        if facet.get("passed") is False:
            return "not passed"
        if isinstance(status := facet.get("status"), str):
            return status.lower()
    return None


def _artifacts(found: LineageEvent) -> list[dict[str, JsonValue]]:
    listed = found.run.facets.get("dpone_artifacts", {}).get("artifacts")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def dbt_graph(found: DbtGraph, _path: str, _look: Look) -> Iterator[ForeignClaim]:
    """``dbt_lineage.json``: the graph must hang together."""
    misnamed = [name for name, node in found.nodes.items() if name != node.unique_id]
    if misnamed:
        yield contradicts("nodes", len(found.nodes), None, f"another unique_id inside: {examples(misnamed)}")
    drawn = {(edge.upstream, edge.downstream) for edge in found.edges}
    needed = {(above, name) for name, node in found.nodes.items() for above in node.depends_on}
    if drawn == needed:
        yield agrees("edges", len(drawn), "as the nodes' depends_on")
    else:
        yield contradicts("edges", len(drawn), len(needed), "are not the nodes' depends_on")
    loose = sorted({end for edge in drawn for end in edge} - found.nodes.keys())
    if loose:
        yield contradicts("edges", len(drawn), None, f"end at nodes that are not there: {examples(loose)}")
    bad = sorted(name for name, node in found.nodes.items() if node.status.lower() not in GOOD)
    if bad:
        yield nothing("nodes[].status", f"{len(bad)} not successful", f"it says itself: {examples(bad)}")
    else:
        why = "manifest.json and run_results.json, where they would come from, are not named"
        yield unproven("nodes[].status", f"{len(found.nodes)} nodes", why)
    yield nothing("passed", None, "dpone says it on standard output only: the file holds no verdict")


def graph_says(found: DbtGraph) -> bool | None:
    """``False`` when a node failed or was left out; never ``True``, as nothing here shows that dbt ran."""
    return False if any(node.status.lower() not in GOOD for node in found.nodes.values()) else None


def event_says(found: LineageEvent) -> bool | None:
    """``False`` for an event of a run that did not end well."""
    status = _status(found)
    good = found.eventType != "FAIL" and status in {None, "success", "pass", "passed"}
    return None if good else False
