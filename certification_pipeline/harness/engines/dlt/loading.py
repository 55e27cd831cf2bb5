"""One load: recover what an earlier attempt left, extract, normalize, load, and report.

What it reports is what dlt reports: ``None`` where dlt says nothing. Knows how a load runs, not what it is
built of (``mapping.py``) and nothing of pipes and processes (the kit).
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import distribution, version
from typing import Any

from certify_driver import Failure, Job  # type: ignore[import-not-found]
from configuration import (  # type: ignore[import-not-found]
    CONFIGURED,
    FILE_FORMAT_OF_SINK,
    TABLE_FORMATS,
)
from failures import classify  # type: ignore[import-not-found]
from mapping import (  # type: ignore[import-not-found]
    INCREMENTAL_STRATEGIES,
    NAMING,
    Request,
    contract,
    destination_name,
    open_pipeline,
    refuse_unsupported,
)
from sources import resource_for  # type: ignore[import-not-found]

WARM = (
    # What dlt imports only while it loads; imported before the fork, no load pays for it.
    "dlt.common.configuration.plugins",
    "dlt.common.libs.pyarrow",
    "dlt.common.libs.sql_alchemy_compat",
    "dlt.destinations.impl.duckdb.duck",
    "dlt.destinations.impl.filesystem.filesystem",
    "dlt.destinations.impl.postgres.postgres",
    "dlt.destinations.impl.sqlalchemy.sqlalchemy_job_client",
    "dlt.destinations.impl.sqlalchemy.type_mapper",
    "dlt.sources.helpers.requests",
    "dlt.common.libs.pandas",
    "encodings.idna",
    "fsspec.implementations.local",
    "pendulum.locales.en.locale",
    "adbc_driver_postgresql.dbapi",
    "psycopg2.extras",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pytz",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.dialects.sqlite",
)
for module in WARM:
    import_module(module)

WARM_FOR_ICEBERG = (
    "dlt.common.libs.pyiceberg",
    "dlt.destinations.impl.filesystem.iceberg_adapter",
    "dlt.destinations.impl.filesystem.iceberg_partition_spec",
    "pyiceberg.catalog.sql",
    "pyiceberg.io.pyarrow",
    "pyiceberg.table.upsert_util",
)


def warm(request: Request) -> None:
    """In the parent, before it forks for that request: what only some sinks need, and what takes long."""
    # Not deltalake: it starts a thread when it is imported, and nobody forks after that.
    if request.get("sink", {}).get("system") == "iceberg":
        for name in WARM_FOR_ICEBERG:
            import_module(name)


def describe() -> dict[str, Any]:
    """Engine, version and digest of the installed distribution, for the protocol's ``described``."""
    libraries = ("sqlalchemy", "psycopg2-binary", "duckdb", "pyarrow", "deltalake", "pyiceberg")
    return {
        "engine": CONFIGURED.engine,
        "version": version("dlt"),
        "artifact_digest": _installed_digest("dlt"),
        "details": {
            "python": sys.version.split()[0],
            "libraries": {name: version(name) for name in libraries},
            "naming": NAMING,
            "backend": CONFIGURED.backend,
            "loader_file_formats": FILE_FORMAT_OF_SINK if CONFIGURED.load_files == "parquet" else {},
            "configuration": asdict(CONFIGURED),
        },
    }


def load(job: Job) -> dict[str, Any]:
    """One load; what dlt counts of it. Raises the kit's ``Failure``."""
    running = _Load(job)
    try:
        running.run()
    except BaseException as error:  # dlt's terminal exceptions derive from BaseException
        named = classify(error, job.source.dsn, job.sink.dsn)
        raise Failure(
            named.category, named.message, retryable=named.retryable, record=running.claims(failed=True)
        ) from error
    return running.claims()


class _Load:
    """One load: build, recover what an earlier attempt left, extract, normalize, load, report."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._request: Request = job.request
        self._pipeline: Any = None
        self._recovered: list[str] = []
        self._before: dict[str, Any] | None = None
        self._phase_rows: dict[str, int] = {}
        self._retries = 0

    def run(self) -> None:
        """The whole load; raises what dlt raises."""
        request = self._request
        refuse_unsupported(request)
        self._pipeline = open_pipeline(request)
        self._job.phase("recover")
        self._recover()
        self._before = self._state()
        self._job.phase("extract")
        sink = request["sink"]["system"]
        self._pipeline.extract(
            resource_for(request, first=self._first_load()),
            loader_file_format=CONFIGURED.file_format(sink),
            table_format=sink if sink in TABLE_FORMATS else None,
            schema_contract=contract(request),
        )
        self._phase_rows["extracted"] = self._rows_of("last_extract_info")
        self._job.progress(self._phase_rows["extracted"])
        self._finish_package()

    def _first_load(self) -> bool:
        """Whether dlt's schema (after it was restored from the sink) knows nothing of the table yet."""
        pipeline = self._pipeline
        if not pipeline.default_schema_name:
            return True
        return destination_name(self._request["sink"]["name"]) not in pipeline.default_schema.tables

    def _recover(self) -> None:
        """What ``Pipeline.run`` does first: restore state from the sink, then finish pending packages.

        dlt's ``run`` would return after that without touching the source; a load request asks for the
        source's present state, so this goes on, as dlt's docs advise (run again).
        """
        self._pipeline.sync_destination()
        while self._pipeline.has_pending_data:
            pending = [
                *self._pipeline.list_extracted_load_packages(),
                *self._pipeline.list_normalized_load_packages(),
            ]
            self._finish_package()
            self._recovered.extend(pending)

    def _finish_package(self) -> None:
        self._job.phase("normalize")
        self._pipeline.normalize()
        self._phase_rows["normalized"] = self._rows_of("last_normalize_info")
        self._job.phase("load")
        info = self._pipeline.load()
        if info is not None:
            info.raise_on_failed_jobs()
            steps = [step for package in info.metrics.values() for step in package]
            self._retries += sum(job.retry_count for step in steps for job in step["job_metrics"].values())

    def claims(self, *, failed: bool = False) -> dict[str, Any]:
        """For the run record: dlt's own counts, and only what dlt counts."""
        strategy, staged = self._request["strategy"], self._phase_rows.get("normalized")
        written = staged if strategy in ("full_refresh", "incremental_append") and not failed else None
        nothing = staged == 0 and not failed and strategy in INCREMENTAL_STRATEGIES
        return {
            "extracted_rows": self._phase_rows.get("extracted"),
            "staged_rows": staged,
            "loaded_rows": 0 if nothing else written,
            "inserted_rows": 0 if nothing else (written if strategy == "incremental_append" else None),
            # An empty package of an incremental resource has no load job: nothing can have been touched.
            "updated_rows": 0
            if nothing or (strategy == "incremental_append" and written is not None)
            else None,
            "deleted_rows": 0
            if nothing or (strategy == "incremental_append" and written is not None)
            else None,
            "retries": self._retries,
            "state_before": self._before,
            "state_after": self._state(),
            "timings_seconds": self._timings(),
        }

    def _rows_of(self, step: str) -> int:
        info = getattr(self._pipeline.last_trace, step, None)
        if info is None:
            return 0
        names = {self._request["sink"]["name"], destination_name(self._request["sink"]["name"])}
        return sum(
            metrics.items_count
            for package in info.metrics.values()
            for entry in package
            for table, metrics in entry["table_metrics"].items()
            if table in names
        )

    def _state(self) -> dict[str, Any] | None:
        """Cursor values as dlt keeps them, and packages that are still, or were, pending."""
        if self._pipeline is None:
            return None
        try:
            sources = self._pipeline.state.get("sources", {})
            pending = bool(self._pipeline.has_pending_data)
        except Exception:  # a record of a failed load must not fail
            return None
        cursors = {
            column.strip("'"): _plain(state.get("last_value"))
            for source in sources.values()
            for resource_state in source.get("resources", {}).values()
            for column, state in resource_state.get("incremental", {}).items()
        }
        return {
            "cursors": cursors,
            "pending_packages": pending,
            "finished_old_packages": list(self._recovered),
        }

    def _timings(self) -> dict[str, float]:
        trace = getattr(self._pipeline, "last_trace", None)
        spans: dict[str, float] = {}
        for step in trace.steps if trace else ():
            if step.started_at and step.finished_at:
                seconds = (step.finished_at - step.started_at).total_seconds()
                spans[step.step] = round(spans.get(step.step, 0.0) + seconds, 6)
        return spans


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _installed_digest(name: str) -> str:
    """Digest over the hashes that the installed distribution's RECORD states for its own files."""
    lines = sorted(
        f"{file}={file.hash.value}"
        for file in distribution(name).files or ()
        if file.hash is not None and ".dist-info" not in str(file)
    )
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
