"""Which documented feature of dlt stands for which strategy, option and sink.

Every choice here is dlt's own documented feature, named in ``catalog/data/engines/dlt.yaml`` with its
source; nothing works around dlt. Knows how a load is built, not how it runs (``loading.py``).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found]
import sqlalchemy
from certify_failures import redact  # type: ignore[import-not-found]
from configuration import CONFIGURED  # type: ignore[import-not-found]
from dlt.common.normalizers.naming.direct import (  # type: ignore[import-not-found]
    NamingConvention as DirectNaming,
)
from failures import BadRequestError, UnsupportedError  # type: ignore[import-not-found]

Request = dict[str, Any]

NAMING = "direct"
"""The naming convention that changes identifiers least (docs: general-usage/naming-convention)."""

SLICED_STRATEGIES = ("replace", "partition_replace")
INCREMENTAL_STRATEGIES = ("incremental_append", "incremental_merge")
SNAPSHOT_STRATEGIES = ("full_refresh", "snapshot_diff", "scd2", "replace")
"""An empty extract means something for these: rows may have to go."""

STRATEGIES_OF_SINK: dict[str, tuple[str, ...]] = {
    "postgres": (*INCREMENTAL_STRATEGIES, *SNAPSHOT_STRATEGIES, "partition_replace"),
    "duckdb": (*INCREMENTAL_STRATEGIES, *SNAPSHOT_STRATEGIES, "partition_replace"),
    "sqlite": (*INCREMENTAL_STRATEGIES, "full_refresh", "scd2", "replace", "partition_replace"),
    "parquet": ("full_refresh", "incremental_append"),
    "delta": ("full_refresh", "incremental_append", "incremental_merge", "snapshot_diff"),
    "iceberg": ("full_refresh", "incremental_append", "incremental_merge"),
}

STRATEGIES_OF_API = ("full_refresh", "incremental_append", "incremental_merge", "snapshot_diff", "scd2")
"""What needs no slice of the source: the vendor's endpoint filters by one moment only."""

ROW_HASH = "row_hash"
"""scd2 needs a hash column of its own here (docs: merge-loading, "Use scd2 with Arrow tables")."""

os.environ.update(
    {
        # A load has a handful of files. With a single worker dlt waits a whole second for a free slot.
        "LOAD__WORKERS": "4",
        "NORMALIZE__WORKERS": "1",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
        # Arrow loads carry the load id too, so that dlt's reader contract (_dlt_loads) can be judged.
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    }
)


@dataclass(frozen=True)
class _Sink:
    """A request's sink in dlt's terms: destination and dataset."""

    destination: Any
    dataset: str


def refuse_unsupported(request: Request) -> None:
    """Every option dlt has no documented equivalent for is refused, never ignored."""
    sink, strategy, options = request["sink"]["system"], request["strategy"], request.get("options", {})
    source = request["source"]["system"]
    if source not in ("postgres", "api"):
        raise UnsupportedError(f"this driver reads from postgres and api, not from {source}")
    if source == "api" and strategy not in STRATEGIES_OF_API:
        raise UnsupportedError(f"the API offers no slices, so there is no {strategy} from it")
    if strategy not in STRATEGIES_OF_SINK.get(sink, ()):
        raise UnsupportedError(f"dlt documents no {strategy} for a {sink} destination")
    if options.get("replay"):
        raise UnsupportedError(
            "dlt documents no replay of an earlier run; a full or sliced load is a new run"
        )
    if options.get("artifact", "auto") not in ("auto", "file"):
        raise UnsupportedError(
            f"dlt hands data over in files; artifact {options['artifact']!r} is not offered"
        )
    if options.get("lookback_seconds") and strategy == "incremental_append":
        raise UnsupportedError(
            "with `lag` dlt switches deduplication off: an append would deliver rows twice"
        )
    if strategy in INCREMENTAL_STRATEGIES and not request.get("cursor"):
        raise BadRequestError(f"{strategy} needs a cursor column")
    if strategy in SLICED_STRATEGIES and not options.get("partition_column"):
        raise BadRequestError(f"{strategy} needs options.partition_column")
    if strategy == "replace" and not (options.get("partition_from") and options.get("partition_to")):
        raise BadRequestError("replace needs options.partition_from and options.partition_to")


def open_pipeline(request: Request) -> Any:
    """dlt's pipeline for this source, sink and state folder; nothing has run yet."""
    sink = _sink(request)
    state_dir = Path(request["state_dir"])
    state_dir.mkdir(parents=True, exist_ok=True)
    drop = request.get("options", {}).get("staging_retention", "drop") == "drop"
    os.environ["LOAD__TRUNCATE_STAGING_DATASET"] = "true" if drop else "false"
    return dlt.pipeline(
        pipeline_name=_pipeline_name(request),
        destination=sink.destination,
        dataset_name=sink.dataset,
        pipelines_dir=str(state_dir),
    )


def _sink(request: Request) -> _Sink:
    target = request["sink"]
    dsn, namespace = target["dsn"], target.get("namespace", "")
    kept_names = {"naming_convention": NAMING, "enable_dataset_name_normalization": False}
    atomic = {"replace_strategy": CONFIGURED.replace_strategy}
    if target["system"] in ("duckdb", "sqlite"):
        Path(dsn).parent.mkdir(parents=True, exist_ok=True)
    match target["system"]:
        case "postgres":
            return _Sink(
                dlt.destinations.postgres(_with_password(dsn), **kept_names, **atomic), namespace or "public"
            )
        case "duckdb":
            return _Sink(dlt.destinations.duckdb(dsn, **kept_names, **atomic), namespace or "main")
        case "sqlite":
            # Dataset "main" is the file itself; any other name would be a file of its own (dlt's docs).
            url = sqlalchemy.engine.URL.create("sqlite", database=dsn).render_as_string()
            return _Sink(dlt.destinations.sqlalchemy(url, **kept_names, **atomic), "main")
        case _:
            folder = Path(dsn)
            bucket, dataset = (folder, namespace) if namespace else (folder.parent, folder.name)
            return _Sink(dlt.destinations.filesystem(str(bucket), **kept_names), dataset)


def _with_password(dsn: str) -> str:
    """dlt refuses credentials without a password, also where the server trusts; it then goes unused."""
    url = sqlalchemy.engine.make_url(dsn)
    return url.set(password=url.password or "-", drivername="postgresql").render_as_string(
        hide_password=False
    )


def _pipeline_name(request: Request) -> str:
    """Stable per source and sink object, and a legal folder name whatever the objects are called."""
    parts = (
        identity(request["source"]),
        identity(request["sink"]),
        redact(request["sink"]["dsn"], request["sink"]["dsn"]),
    )
    return "certify_" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def disposition(request: Request) -> Any:  # noqa: PLR0911 - one a strategy
    """dlt's write disposition, with its strategy."""
    options = request.get("options", {})
    match request["strategy"]:
        case "full_refresh":
            return "replace"
        case "incremental_append":
            return "append"
        case "snapshot_diff":
            return {"disposition": "merge", "strategy": "cdc", "skip_unchanged_rows": True}
        case "scd2":
            if CONFIGURED.arrow and request["source"]["system"] != "api":
                return {"disposition": "merge", "strategy": "scd2", "row_version_column_name": ROW_HASH}
            return {"disposition": "merge", "strategy": "scd2"}
        case "replace":
            # A condition is SQL with destination names, in which braces would be placeholders.
            column = destination_name(options["partition_column"]).replace("{", "{{").replace("}", "}}")
            low = date.fromisoformat(options["partition_from"])
            high = date.fromisoformat(options["partition_to"])
            scope = f"\"{column}\" >= '{low}' AND \"{column}\" < '{high}'"
            return {"disposition": "merge", "strategy": "delete-insert", "destination_scope": scope}
        case "partition_replace":
            return {"disposition": "merge", "strategy": "delete-insert"}
        case _:
            return {"disposition": "merge", "strategy": CONFIGURED.merge(request["sink"]["system"])}


def destination_name(identifier: str) -> str:
    """What the naming convention makes of an identifier of the source."""
    return str(DirectNaming().normalize_identifier(identifier))


def contract(request: Request) -> dict[str, str]:
    """The schema contract: types are frozen when the load asks to stop at a type change."""
    stop = request.get("options", {}).get("on_type_change", "stop") == "stop"
    return {"tables": "evolve", "columns": "evolve", "data_type": "freeze" if stop else "evolve"}


def identity(end: dict[str, Any]) -> str:
    """``system:namespace.name``, the id that the run record carries."""
    return f"{end['system']}:{'.'.join(filter(None, (end.get('namespace', ''), end['name'])))}"
