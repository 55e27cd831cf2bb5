"""The reference engine, PostgreSQL to PostgreSQL, as a share of a raw COPY pipe in the same run.

    python benchmarks/reference_throughput.py [--rows 1000000] [--columns 20] [--repeats 3] [--json FILE]

The pipe is the plainest thing that moves the rows: psycopg, one connection a side, binary COPY out into
binary COPY in, into an unlogged table and into a logged one. Engine and pipes are interleaved, because a
shared machine's speed changes by the minute; shares are of medians. The engine's load is the whole load
as a user waits for it: connect, snapshot, stage, swap, state, commit, count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import structlog

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import DataObject, Error, Load, Result
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.redaction import Redactor
from certification_pipeline.reference.engine import run_load

TARGET_SHARE = 0.70
COLUMNS = (
    "id bigint PRIMARY KEY",
    "updated_at timestamptz NOT NULL",
    "business_date date",
    "i2 smallint",
    "i4 integer",
    "i8 bigint",
    "n numeric(38,10)",
    "f float8",
    "b boolean",
    "s text",
    "d date",
    "ts timestamp",
    "tz timestamptz",
    "bin bytea",
    "u uuid",
    "j jsonb",
    "ia bigint[]",
    "sa text[]",
    "s2 text",
    "i8b bigint",
)
VALUES = (
    "g",
    "'2024-01-01'::timestamptz + g * interval '1 second'",
    "'2024-01-01'::date + (g % 30)::int",
    "g % 30000",
    "g",
    "g * 1000003",
    "g / 7.0",
    "g / 3.0::float8",
    "g % 2 = 0",
    "'customer number ' || g",
    "'2020-01-01'::date + (g % 1000)::int",
    "'2024-01-01'::timestamp + g * interval '1 millisecond'",
    "'2024-01-01'::timestamptz + g * interval '1 minute'",
    "decode(md5(g::text), 'hex')",
    "md5(g::text)::uuid",
    "jsonb_build_object('k', g)",
    "ARRAY[g, g + 1]",
    "ARRAY['a', 'b' || g]",
    "repeat('x', (g % 40)::int)",
    "-g",
)


def seed(source: str, rows: int, columns: int) -> None:
    """The source table, analysed and with its hint bits set, so that the first reader pays no more."""
    with psycopg.connect(source, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE bench ({', '.join(COLUMNS[:columns])})".encode())
        values = ", ".join(VALUES[:columns])
        connection.execute(
            f"INSERT INTO bench SELECT {values} FROM generate_series(1::bigint, {rows}) g".encode()
        )
        connection.execute("VACUUM ANALYZE bench")


def pipe(source: str, sink: str, columns: int, kind: str) -> int:
    """The raw pipe: create, COPY, commit. Returns the rows the sink took."""
    plain = ", ".join(COLUMNS[:columns]).replace(" PRIMARY KEY", " NOT NULL")
    with psycopg.connect(source) as reader, psycopg.connect(sink) as writer:
        writer.execute(f"CREATE {kind} TABLE pipe ({plain})".encode())
        with writer.cursor() as into, reader.cursor() as out:
            with (
                out.copy("COPY bench TO STDOUT (FORMAT binary)") as read,
                into.copy("COPY pipe FROM STDIN (FORMAT binary)") as write,
            ):
                for data in read:
                    write.write(data)
            rows = into.rowcount
        writer.commit()
        writer.execute("DROP TABLE pipe")
    return rows


def load(source: str, sink: str, folder: Path) -> int:
    """One full_refresh by the engine. Returns the rows it counted in the target."""
    request = Load(
        run_id="bench",
        source=DataObject(system="postgres", dsn=source, namespace="public", name="bench"),
        sink=DataObject(system="postgres", dsn=sink, namespace="out", name="bench"),
        columns=(),
        primary_key=("id",),
        cursor="updated_at",
        strategy=Strategy.FULL_REFRESH,
        state_dir=str(folder),
    )
    answers: list[Result | Error] = []
    run_load(request, lambda event: answers.append(event) if isinstance(event, Result | Error) else None)
    [answer] = answers
    if isinstance(answer, Error):
        sys.exit(f"the engine failed: {answer.category}: {answer.message}")
    return answer.record.final_rows or 0


def measure(rows: int, columns: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of each path, interleaved; a path that lost rows ends the run."""
    seconds: dict[str, list[float]] = {}
    with Guardian() as guardian, tempfile.TemporaryDirectory(prefix="reference-bench-") as folder:
        cluster = PostgresWheelProvider(redactor=Redactor(), guardian=guardian).start("bench")
        try:
            source, sink = cluster.source().dsn, cluster.sink().dsn
            seed(source, rows, columns)
            paths: dict[str, Callable[[], int]] = {
                "pipe into unlogged": lambda: pipe(source, sink, columns, "UNLOGGED"),
                "pipe into logged": lambda: pipe(source, sink, columns, ""),
                "reference full_refresh": lambda: load(source, sink, Path(folder)),
            }
            for _ in range(repeats):
                for name, path in paths.items():
                    began = time.perf_counter()
                    moved = path()
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
                    if moved != rows:
                        sys.exit(f"{name} moved {moved} of {rows} rows")
        finally:
            cluster.stop()
    return seconds


def main() -> int:
    """Print the table; exit 1 when the share of the logged pipe is below the target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=len(COLUMNS), choices=range(2, len(COLUMNS) + 1))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    seconds = measure(arguments.rows, arguments.columns, arguments.repeats)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    engine = medians["reference full_refresh"]
    report = {
        "rows": arguments.rows,
        "columns": arguments.columns,
        "repeats": arguments.repeats,
        "seconds": seconds,
        "median_rows_per_second": {name: arguments.rows / value for name, value in medians.items()},
        "share_of_unlogged_pipe": medians["pipe into unlogged"] / engine,
        "share_of_logged_pipe": medians["pipe into logged"] / engine,
        "target_share": TARGET_SHARE,
    }
    print(f"{arguments.rows:,} rows x {arguments.columns} columns, median of {arguments.repeats}")
    print(f"{'path':<24} {'seconds':>8} {'rows/s':>10} {'engine is':>10}")
    for name, value in medians.items():
        print(f"{name:<24} {value:>8.2f} {arguments.rows / value:>10,.0f} {value / engine:>10.0%}")
    text = json.dumps(report, indent=2)
    if arguments.json:
        arguments.json.write_text(text + "\n")
    else:
        print(text)
    return 0 if medians["pipe into logged"] / engine >= TARGET_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
