"""What an engine says about its runs, checked against what the oracle counted."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit, urlunsplit

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.protocol import RunRecord

_WRONG_PASSWORD = "wrong-on-purpose"  # noqa: S105 - that is the point


def fields(bench: Bench) -> None:
    """Every field the engine declares is there, after a first load and after a change round."""
    bench.seed("narrow")
    _check_fields(bench, bench.load_and_judge().record)
    bench.change()
    _check_fields(bench, bench.load_and_judge("change round").record)


def _check_fields(bench: Bench, record: RunRecord | None) -> None:
    step = f"load {len(bench.loads)}"
    bench.check(step, "run_id", bench.loads[-1].run_id, record.run_id if record else None)
    for name in bench.station.engine.reports:
        observed = getattr(record, name, None)
        bench.record_check(
            CheckJudgement(
                step=step,
                name=name,
                expected="reported",
                observed="reported" if observed is not None else None,
                comparison="present",
            )
        )


def counts(bench: Bench) -> None:
    """The engine's counts equal what the oracle counts in source and sink, load by load."""
    bench.seed("narrow")
    before = 0
    for remark in ("first load", "change round", "second change round"):
        outcome = bench.load()
        judgement = bench.judge(remark)
        if not judgement.remark:  # a sink that could not be read is red already, and holds no count
            _check_counts(bench, outcome.record, before, judgement.actual.rows)
        before = judgement.actual.rows
        if bench.applied < bench.workload.changes:
            bench.change()


def _check_counts(bench: Bench, record: RunRecord | None, before: int, after: int) -> None:
    """Only what follows for every engine: full refresh moves all, append and merge only ever add."""
    step = f"load {len(bench.loads)}"
    expected: dict[str, int] = {"final_rows": after}
    if bench.strategy is Strategy.FULL_REFRESH:
        source_rows = bench.source.count()
        expected |= {"extracted_rows": source_rows, "loaded_rows": source_rows}
    if bench.strategy is Strategy.INCREMENTAL_APPEND:
        expected |= {"loaded_rows": after - before, "inserted_rows": after - before, "updated_rows": 0}
    if bench.strategy is Strategy.INCREMENTAL_MERGE:
        expected |= {"inserted_rows": after - before, "deleted_rows": 0}
        if record and record.loaded_rows is not None and record.updated_rows is not None:
            # Rows read again at the high-water mark are extracted, and yet not written.
            expected["loaded_rows"] = after - before + record.updated_rows
    for name, value in expected.items():
        claimed = getattr(record, name, None)
        if claimed is not None or name in bench.station.engine.reports:
            bench.check(step, name, value, claimed)


def taxonomy(bench: Bench) -> None:
    """Three failures of three kinds get three categories, tell no secret, and hurt no sink and no next load.

    The sink is filled first: only then does a load that empties it before it looks at the source show.
    """
    bench.seed("narrow")
    bench.load_and_judge()
    bench.station.mask(_WRONG_PASSWORD)
    good = bench.request()
    failures = {
        "table missing": (
            bench.with_source(good, name="no_such_table"),
            FailureCategory.NOT_FOUND,
        ),
        "wrong password": (
            bench.with_source(good, dsn=dsn_with(good.source.dsn, password=_WRONG_PASSWORD)),
            FailureCategory.AUTHENTICATION,
        ),
        "nobody listens": (
            bench.with_source(good, dsn=dsn_with(good.source.dsn, port=closed_port())),
            FailureCategory.CONNECTIVITY,
        ),
    }
    for name, (request, category) in failures.items():
        outcome = bench.load(request=request, expect=category, halt=False)
        bench.check(f"load {len(bench.loads)}, {name}", "secret_in_message", False, outcome.leaked)
        bench.judge(f"the sink is as before, {name}")
    bench.load_and_judge("after three failed loads")


def dsn_with(dsn: str, *, password: str | None = None, port: int | None = None) -> str:
    """The URL with another password or port."""
    parts = urlsplit(dsn)
    user = f"{parts.username}:{password or parts.password}@"
    return urlunsplit(parts._replace(netloc=f"{user}{parts.hostname}:{port or parts.port}"))


def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
