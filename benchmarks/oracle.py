"""How fast the oracle compares two PostgreSQL tables, against reading them and against datacompy.

    python -m benchmarks.oracle [--rows 1000000] [--repeats 3] [--no-datacompy] [--json PATH]

One disposable cluster holds a source table and a true copy of it (both with a primary key), and a copy
with eight planted differences. In one run, by turns: both tables read by COPY and thrown away, in two
threads (the strict baseline) and one after the other; the oracle on the true copy and on the planted
one; datacompy on polars frames, read by COPY and CSV, all columns as text. Seconds are medians of
the turns, ratios medians of the ratios within a turn; only ratios mean anything.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psycopg
import yaml

from certification_pipeline import catalog
from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.harness.oracle.oracle import Oracle, SinkView
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.harness.workload.postgres_source import PostgresSource
from certification_pipeline.harness.workload.recipe import Recipe
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.spec import TableSpec
from certification_pipeline.harness.workload.tables import STANDARD_SPEC
from certification_pipeline.redaction import Redactor

SPEC: TableSpec = replace(
    STANDARD_SPEC, name="bench", columns=tuple(c for c in STANDARD_SPEC.columns if c.name != "note")
)
PLANTED = {Anomaly.LOST: 2, Anomaly.DUPLICATE: 1, Anomaly.PHANTOM: 2, Anomaly.CORRUPT: 3}


def types() -> Mapping[str, TypeRule]:
    path = Path(str(catalog.__file__)).parent / "data" / "types.yaml"
    return {name: TypeRule(**rule) for name, rule in yaml.safe_load(path.read_text())["postgres"].items()}


def prepare(dsn: str, rows: int) -> tuple[SinkView, SinkView, SinkView]:
    """Source, true copy, copy with differences."""
    with PostgresSource(dsn, "public", "bench") as source:
        source.seed(Workload(Recipe("bench", SPEC), rows, seed=1))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE copy AS SELECT * FROM bench")
        connection.execute("ALTER TABLE copy ADD PRIMARY KEY (id)")
        connection.execute("CREATE TABLE planted AS SELECT * FROM bench")
        for statement in (
            f"DELETE FROM planted WHERE id IN (17, {rows // 2})",
            f"INSERT INTO planted SELECT * FROM planted WHERE id = {rows // 3}",
            f"INSERT INTO planted (id, title) VALUES ({10 * rows}, 'phantom'), (NULL, 'no key')",
            "UPDATE planted SET amount = coalesce(amount, 0) + 0.0000000001 WHERE id = 1000",
            "UPDATE planted SET payload = coalesce(payload, '') || '\\x00' WHERE id = 1001",
            f"UPDATE planted SET title = coalesce(title, '') || ' ' WHERE id = {rows - 1}",
        ):
            connection.execute(statement)  # type: ignore[call-overload]
        connection.execute("CREATE INDEX ON planted (id)")
        connection.execute("VACUUM ANALYZE")
    views = [SinkView("postgres", dsn, "public", name, types()) for name in ("bench", "copy", "planted")]
    return views[0], views[1], views[2]


def read(view: SinkView, into: list[int] | None = None) -> int:
    """Bytes of the table by COPY, thrown away."""
    names = ", ".join(f'"{name}"' for name in SPEC.column_names)
    size = 0
    with psycopg.connect(view.dsn) as connection, connection.cursor() as cursor:
        query = f"COPY (SELECT {names} FROM {view.name}) TO STDOUT (FORMAT csv)"
        with cursor.copy(query) as copy:  # type: ignore[arg-type]
            for line in copy:
                size += len(line)
    if into is not None:
        into.append(size)
    return size


def read_both_at_once(source: SinkView, sink: SinkView) -> None:
    sizes: list[int] = []
    threads = [threading.Thread(target=read, args=(view, sizes)) for view in (source, sink)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sizes) == 2


def read_one_by_one(source: SinkView, sink: SinkView) -> None:
    read(source)
    read(sink)


def ours(oracle: Oracle, source: SinkView, sink: SinkView, anomalies: dict[Anomaly, int]) -> None:
    judgement = oracle.judge_copy("benchmark", source, sink, SPEC)
    assert judgement.anomalies == anomalies, judgement


def with_datacompy(source: SinkView, sink: SinkView) -> None:
    # Here, so that --no-datacompy needs neither.
    import datacompy  # noqa: PLC0415
    import polars as pl  # noqa: PLC0415

    frames = []
    for view in (source, sink):
        names = ", ".join(f'"{name}"' for name in SPEC.column_names)
        query = f"COPY (SELECT {names} FROM {view.name}) TO STDOUT (FORMAT csv, HEADER)"
        data = io.BytesIO()
        with psycopg.connect(view.dsn) as connection, connection.cursor().copy(query) as copy:  # type: ignore[arg-type]
            for line in copy:
                data.write(line)
        data.seek(0)
        frames.append(pl.read_csv(data, infer_schema=False, empty_string_is_null=False))
    comparison = datacompy.PolarsCompare(frames[0], frames[1], join_columns=["id"])
    assert comparison.matches(), "datacompy does not find the copy equal"


def measure(rows: int, repeats: int, *, datacompy: bool) -> dict[str, object]:
    tasks: dict[str, Callable[[], None]] = {}
    seconds: dict[str, list[float]] = {}
    with Guardian() as guardian, tempfile.TemporaryDirectory() as directory:
        cluster = PostgresWheelProvider(redactor=Redactor(), guardian=guardian).start("oracle-benchmark")
        try:
            source, copy, planted = prepare(cluster.source().dsn, rows)
            size = read(source)
            with Oracle(Path(directory)) as oracle:
                tasks["read both by COPY, at once"] = lambda: read_both_at_once(source, copy)
                tasks["read both by COPY, one by one"] = lambda: read_one_by_one(source, copy)
                tasks["oracle, equal tables"] = lambda: ours(oracle, source, copy, {})
                tasks["oracle, 8 planted differences"] = lambda: ours(oracle, source, planted, PLANTED)
                for turn in range(repeats):
                    for name, task in tasks.items():
                        seconds.setdefault(name, []).append(timed(task))
                    if turn == 0:
                        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                    if datacompy:
                        seconds.setdefault("datacompy (polars)", []).append(
                            timed(lambda: with_datacompy(source, copy))
                        )
        finally:
            cluster.stop()
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    equal = seconds["oracle, equal tables"]
    ratios = {
        "oracle / read both at once": ratio(equal, seconds["read both by COPY, at once"]),
        "oracle / read both one by one": ratio(equal, seconds["read both by COPY, one by one"]),
    }
    if datacompy:
        ratios["datacompy / oracle"] = ratio(seconds["datacompy (polars)"], equal)
    return {
        "rows": rows,
        "columns": len(SPEC.columns),
        "megabytes": round(size / 1e6),
        "peak_memory_mb_before_datacompy": memory,
        "seconds": {name: round(value, 3) for name, value in medians.items()},
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
    }


def ratio(above: list[float], below: list[float]) -> float:
    """Median of the ratios turn by turn: what else the machine does weighs on both."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def timed(task: Callable[[], None]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-datacompy", action="store_true")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    result = measure(chosen.rows, chosen.repeats, datacompy=not chosen.no_datacompy)
    print(f"{result['rows']:,} rows x {result['columns']} columns, {result['megabytes']} MB a side")
    for block in ("seconds", "ratios"):
        values = result[block]
        assert isinstance(values, dict)
        for name, value in values.items():
            print(f"  {name:<34}{value:>9}")
    print(f"  peak memory before datacompy, MB  {result['peak_memory_mb_before_datacompy']:>9}")
    if chosen.json:
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
