"""How levels grow with a ledger: seconds over n releases and over 10 n, and their ratio.

    python -m benchmarks.levels_scale [--releases 1000] [--connectors 50] [--format table|json]

A synthetic history, no files: daily releases of one engine with so many connectors, weekly ones of another
profile, now and then a red or a flaky day. Linear means a ratio near 10.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from benchmarks.shown import Row, parser, progress, show
from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.gates.levels.history import Cell, Coordinates, History, ItemSaid, Said
from certification_pipeline.gates.levels.ladder import connector_levels

ENGINE = "bench"
START = datetime(2024, 1, 1, 2, 17, tzinfo=UTC)
SUBJECT = Subject(engine=ENGINE, version="1.0.0", artifact_digest="sha256:" + "ab" * 32)
DIGEST = "sha256:" + "11" * 32
LEFT_OUT = ("rec.", "cdc.", "event.")


def cells(connectors: int, *, whole: bool, red: bool) -> tuple[Cell, ...]:
    """Every scenario of the catalogue that fits incremental_merge, on one route a connector."""
    found = []
    for scenario in load_catalog().scenarios.values():
        strategies = {"incremental_merge", "full_refresh"} & set(scenario.strategies)
        for number in range(connectors - 1) if strategies else ():
            strategy = sorted(strategies)[0]
            at = Coordinates("source", f"sink_{number:03}", strategy, scenario.id)
            out = not whole and scenario.id.startswith(LEFT_OUT)
            outcome = Outcome.UNTESTED if out else Outcome.PASSED
            if red and number == 7 and scenario.id == "idem.rerun":
                outcome = Outcome.FAILED
            found.append(Cell(at, outcome, rows=100, required=not out, fidelity=Fidelity.REAL))
    return tuple(found)


def history(releases: int, connectors: int) -> History:
    """Daily, with a weekly whole one; every hundredth is red, every seventieth mended by hand."""
    daily, weekly = (cells(connectors, whole=whole, red=False) for whole in (False, True))
    broken = cells(connectors, whole=False, red=True)
    names = [f"{ENGINE}/source", *(f"{ENGINE}/sink_{number:03}" for number in range(connectors - 1))]
    items = {name: dict.fromkeys(ChecklistItem, ItemSaid(Outcome.PASSED)) for name in names}
    documents = {f"docs/connectors/{name}.md": DIGEST for name in names} | {"docs/compatibility.md": DIGEST}
    said = []
    for number in range(releases):
        chosen = broken if number % 100 == 99 else weekly if number % 7 == 0 else daily
        said.append(
            Said(
                f"r{number:05}",
                number + 1,
                START + timedelta(days=number),
                SUBJECT,
                trigger=Trigger.SCHEDULE,
                profile="local" if chosen is weekly else "embedded",
                cells=chosen,
                items=items,
                items_sha256=DIGEST,
                documents=documents,
                families={Family.CALIBRATION: (Outcome.PASSED, DIGEST)},
            )
        )
    return History(ENGINE, tuple(said))


def main() -> None:
    """Show processor seconds of both sizes and their ratio."""
    asking = parser(__doc__)
    asking.add_argument("--releases", type=int, default=1000)
    asking.add_argument("--connectors", type=int, default=50)
    asked = asking.parse_args()
    policies = tuple(load_catalog().policies.values())
    rows: list[Row] = []
    seconds: list[float] = []
    for count in (asked.releases // 10, asked.releases):
        made = history(count, asked.connectors)
        begin = time.process_time()
        found = connector_levels(made, policies, SUBJECT, START + timedelta(days=count))
        seconds.append(time.process_time() - begin)
        progress(f"levels over {count} releases: {seconds[-1]:.2f} s CPU")
        rows.append(
            {
                "releases": count,
                "connectors": asked.connectors,
                "cells": sum(len(said.cells) for said in made.said),
                "ladders": len(found),
                "cpu_s": seconds[-1],
                "ratio": seconds[-1] / seconds[0],
            }
        )
    show("levels_scale", rows, asked.format)


if __name__ == "__main__":
    main()
