"""Delivery guarantees: what documents declare, what their weakest links make of it, and what was observed.

``python -m certification_pipeline.report.guarantees docs/guarantees.md`` writes the page; a test compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.delivery import DeclaredRow, DeliveryTable
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, Support
from certification_pipeline.gates.guarantees import (
    CounterExample,
    GuaranteeVerdict,
    ObservedGuarantee,
    observed_guarantees,
)
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import ReleaseView, SubjectView
from certification_pipeline.report.tally import SYMBOL

OBSERVED_COLUMNS = [
    "engine",
    "route",
    "strategy",
    "declared",
    "observed",
    "verdict",
    "kills",
    "lost",
    "repeated",
    "at most (95 %)",
    "counter-example",
]
DECLARED_COLUMNS = ["source", "sink", "profile", "declared", "weakest link", "document says", "here"]


def declared_frame(table: DeliveryTable, catalog: Catalog) -> pd.DataFrame:
    """One line a row of the document: what it says, what follows from its ends, and who can be asked here."""
    rows = [
        (
            table.sources[row.source].title,
            table.sinks[row.sink].title,
            row.profile,
            row.guarantee.value,
            _weakest_link(table, row),
            "certified" if row.certified else "not certified",
            _claimed_here(table, row, catalog),
        )
        for row in table.rows
    ]
    return pd.DataFrame(rows, columns=DECLARED_COLUMNS)


def declared_frames(catalog: Catalog) -> pd.DataFrame:
    """Every document's table, one below the other."""
    frames = [
        declared_frame(table, catalog).assign(document=table.document)
        for table in catalog.guarantees.values()
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=DECLARED_COLUMNS)


def _weakest_link(table: DeliveryTable, row: DeclaredRow) -> str:
    """Over the profiles the row speaks of, the weakest to the strongest."""
    found = dict.fromkeys(
        table.effective(row.source, row.sink, profile) for profile in table.profiles_of(row)
    )
    ordered = sorted(found, key=lambda guarantee: guarantee.rank)
    return " … ".join(guarantee.value for guarantee in ordered)


def _claimed_here(table: DeliveryTable, row: DeclaredRow, catalog: Catalog) -> str:
    """Which engines of the catalogue claim the row, and whether what is released holds it."""
    found = [
        f"{engine.id}: {claim.support}"
        for engine in catalog.engines.values()
        if _profile(engine, table) is not None and table.covers(row, str(_profile(engine, table)))
        for route in engine.routes
        for claim in route.strategies.values()
        if claim.delivers and (claim.delivers.source, claim.delivers.sink) == (row.source, row.sink)
    ]
    return ", ".join(dict.fromkeys(found)) or "nobody claims it"


def _profile(engine: Engine, table: DeliveryTable) -> str | None:
    return engine.delivery.profile if engine.delivery and engine.delivery.table == table.id else None


def observed(subject: SubjectView) -> tuple[ObservedGuarantee, ...]:
    """What broken loads of the subject showed, route by route."""
    return observed_guarantees((line.planned, line.evidence) for line in subject.lines)


def observed_frame(release: ReleaseView) -> pd.DataFrame:
    """One row an engine, route and strategy of which a load was broken: the disproved first."""
    found = [(subject.subject.engine, one) for subject in release.subjects for one in observed(subject)]
    found.sort(key=lambda pair: list(GuaranteeVerdict).index(pair[1].verdict))
    return pd.DataFrame([_observed_row(engine, one) for engine, one in found], columns=OBSERVED_COLUMNS)


def guarantees_outcome(release: ReleaseView) -> Outcome:
    """The worst of all that was observed; nothing observed is untested."""
    return Outcome.worst(one.verdict.outcome for subject in release.subjects for one in observed(subject))


def _observed_row(engine: str, one: ObservedGuarantee) -> tuple[object, ...]:
    count = one.count
    worst = max(count.lost_at_most, count.duplicates_at_most)
    return (
        engine,
        one.route_id.replace("_to_", " → "),
        one.strategy.value,
        one.declared.value if one.declared else "none documented",
        one.bound.value,
        f"{SYMBOL[one.verdict.outcome]} {one.verdict.value}",
        count.n,
        count.lost,
        count.duplicates,
        f"{worst:.1%}" if count.n else "",
        "; ".join(map(_counter_example, one.counter_examples)),
    )


def _counter_example(found: CounterExample) -> str:
    key = ", ".join(f"{name} = {value}" for name, value in (found.sample.key if found.sample else {}).items())
    row = f", e.g. {key}" if key else ""
    return f"{found.count} {found.anomaly.value}{row}: {found.cell_id}, {found.step}"


def page(catalog: Catalog) -> str:
    """The Markdown page of every table in the catalogue."""
    parts = [_HEAD]
    for table in catalog.guarantees.values():
        parts += [
            f"## {table.title}",
            f"From {table.document}.",
            frame_markdown(declared_frame(table, catalog), index=False),
        ]
        for title, ends in (
            ("Sources", table.sources),
            ("Sinks", table.sinks),
            ("Durability profiles, weakest first", table.profiles),
        ):
            rows = [(name, good.title, good.guarantee.value, good.note or "") for name, good in ends.items()]
            frame = pd.DataFrame(rows, columns=["name", "what", "good for", "note"])
            parts += [f"### {title}", frame_markdown(frame, index=False)]
    parts += ["## What engines of the catalogue declare", frame_markdown(_claims(catalog), index=False)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _claims(catalog: Catalog) -> pd.DataFrame:
    """One row an engine and guarantee: on which routes, under which strategies."""
    rows: list[tuple[str, str, str, str]] = []
    for engine in catalog.engines.values():
        for guarantee in reversed(Guarantee):
            found = [
                (f"{route.source} → {route.sink}", strategy.value)
                for route in engine.routes
                for strategy, claim in route.strategies.items()
                if claim.guarantee is guarantee and claim.support in (Support.FULL, Support.PARTIAL)
            ]
            if found:
                routes = ", ".join(dict.fromkeys(route for route, _ in found))
                strategies = ", ".join(dict.fromkeys(strategy for _, strategy in found))
                rows.append((engine.id, guarantee.value, routes, strategies))
    return pd.DataFrame(rows, columns=["engine", "guarantee", "routes", "strategies"])


_HEAD = """
# Delivery guarantees

<!-- Generated by `python -m certification_pipeline.report.guarantees docs/guarantees.md` -->

`best-effort` < `at-least-once` < `effectively-once` < `exactly-once`. What a route is good for is the weakest
of what its source, its sink and its durability profile are good for. A combination that a table does not list
is unsupported: `certify plan` refuses it and names the rows there are.

All of this is *declared*. What was *observed*, from kills at every commit boundary and at random moments, is
evidence of a release: `certify guarantees` shows both side by side. A declared guarantee that was disproved
is a failure with its counter-example.
"""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(load_catalog()))
