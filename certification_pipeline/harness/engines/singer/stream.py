"""The catalogue: what the tap discovered, with the one stream selected and told how to replicate.

https://hub.meltano.com/singer/spec#catalog-files
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from certify_driver import Failure, Job  # type: ignore[import-not-found]
from folder import Folder  # type: ignore[import-not-found]
from settings import Wiring  # type: ignore[import-not-found]


class StreamMissing(Exception):  # noqa: N818 - what was found out, not what went wrong in here
    """The tap discovered no such table."""


def catalogue_for(folder: Folder, wiring: Wiring, job: Job, discover: Callable[[], bytes]) -> Path:
    """The catalogue file for this load. Raises :class:`StreamMissing`.

    As runners do, discovery is kept until the table is another: it costs as much as a load.
    """
    table = [job.source.namespace, job.source.name, [vars(column) for column in job.columns], job.primary_key]
    kept = folder.read("discovered.json")
    if kept is None or kept["table"] != table:
        kept = {"table": table, "catalogue": json.loads(discover())}
        stream = find(kept["catalogue"], job.source.namespace, job.source.name)
        folder.write("discovered.json", kept)
    else:
        stream = find(kept["catalogue"], job.source.namespace, job.source.name)
    if job.sink.name != job.source.name:
        raise Failure("unsupported", "a target names its table after the stream: no other name can be had")
    written: Path = folder.write("catalog.json", {"streams": [selected(stream, wiring)]})
    return written


def find(catalogue: dict[str, Any], namespace: str, name: str) -> dict[str, Any]:
    """The stream of that table; raises :class:`StreamMissing`."""
    for stream in catalogue.get("streams", []):
        schema = _metadata(stream, []).get("schema-name", namespace)
        if stream.get("table_name", stream["stream"]) == name and schema == namespace:
            return dict(stream)
    raise StreamMissing(f"the tap discovers no table {name!r} in {namespace!r}")


def selected(stream: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The stream with all columns selected, its key, and the strategy's replication method."""
    stream = json.loads(json.dumps(stream))  # a copy that shares nothing
    method = wiring.strategy["replication_method"]
    key = wiring.job.cursor if method == "INCREMENTAL" else wiring.strategy.get("replication_key")
    root = _metadata(stream, [])
    root |= {
        "selected": True,
        "replication-method": method,
        "forced-replication-method": method,
        "table-key-properties": wiring.key_properties,
    }
    stream |= {"replication_method": method, "key_properties": wiring.key_properties}
    if key:
        root["replication-key"] = stream["replication_key"] = key
    for name, schema in stream["schema"]["properties"].items():
        column = _metadata(stream, ["properties", name])
        if column.get("inclusion") != "unsupported":
            column["selected"] = True
        schema.update(wiring.column_schemas.get(name, {}))
    return dict(stream)


def _metadata(stream: dict[str, Any], breadcrumb: list[str]) -> dict[str, Any]:
    for entry in stream.setdefault("metadata", []):
        if list(entry["breadcrumb"]) == breadcrumb:
            found: dict[str, Any] = entry["metadata"]
            return found
    stream["metadata"].append({"breadcrumb": breadcrumb, "metadata": {}})
    added: dict[str, Any] = stream["metadata"][-1]["metadata"]
    return added
