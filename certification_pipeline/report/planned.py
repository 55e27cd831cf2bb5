"""A plan before it runs: what would, and why the rest would not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd
from rich.console import Console
from rich.text import Text

from certification_pipeline.catalog.vocabulary import ReasonCode, Strategy
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.report.causes import MANY_REMEDIES, REASON_TITLES
from certification_pipeline.report.terminal import FEW, print_frame


def to_run_table(plan: CertificationPlan) -> pd.DataFrame:
    """Strategy x route, how many cells would run; only routes where at least one would."""
    counts = Counter((c.key.strategy, c.key.route_id) for c in plan.cells if c.disposition == "run")
    routes = sorted({route for _, route in counts})
    strategies = [strategy for strategy in Strategy if any((strategy, route) in counts for route in routes)]
    body = [[counts[strategy, route] for route in routes] for strategy in strategies]
    frame = pd.DataFrame(body, index=[s.value for s in strategies], columns=routes, dtype=int)
    frame.index.name = "cells to run"
    return frame


def not_run_table(plan: CertificationPlan) -> pd.DataFrame:
    """Why cells would not run: one row a reason, most cells first; a remedy only where all share it."""
    groups: dict[tuple[str, ReasonCode | None], list[PlannedCell]] = defaultdict(list)
    for cell in plan.cells:
        if cell.disposition != "run":
            groups[cell.disposition, cell.reason].append(cell)
    rows = []
    for (disposition, reason), cells in groups.items():
        details = list(dict.fromkeys(cell.detail or "" for cell in cells))
        remedies = list(dict.fromkeys(cell.remedy or "" for cell in cells))
        more = f" (and {len(details) - 1} more like it)" if len(details) > 1 else ""
        rows.append(
            {
                "cells": len(cells),
                "outcome": disposition,
                "reason": REASON_TITLES[reason] if reason else "",
                "for example": details[0] + more,
                "what would help": remedies[0] if len(remedies) == 1 else MANY_REMEDIES,
            }
        )
    columns = ["cells", "outcome", "reason", "for example", "what would help"]
    return pd.DataFrame(rows, columns=columns).sort_values("cells", ascending=False, kind="stable")


def plans_table(plans: Iterable[CertificationPlan]) -> pd.DataFrame:
    """One row an engine: cells planned, cells that would run, and on which routes."""
    rows = []
    for plan in plans:
        to_run = [cell.key.route_id for cell in plan.cells if cell.disposition == "run"]
        routes = ", ".join(sorted({route.replace("_to_", " → ") for route in to_run}))
        row = {"engine": plan.subject.engine, "planned": len(plan.cells), "would run": len(to_run)}
        rows.append(
            {**row, "routes": routes or "none: see `certify plan --engine " + plan.subject.engine + "`"}
        )
    return pd.DataFrame(rows, columns=["engine", "planned", "would run", "routes"])


def print_plans(console: Console, plans: Sequence[CertificationPlan]) -> None:
    """Each by itself; of many one line an engine."""
    if len(plans) > FEW:
        print_frame(console, plans_table(plans), index=False)
        return
    for plan in plans:
        print_plan(console, plan)


def print_plan(console: Console, plan: CertificationPlan) -> None:
    """Both tables under one heading."""
    to_run = sum(cell.disposition == "run" for cell in plan.cells)
    console.print(Text(f"\n{plan.subject.engine}: {to_run} of {len(plan.cells)} cells would run", "bold"))
    console.print(f"profile {plan.profile}, {plan.rows:,} rows, seed {plan.seed}", highlight=False)
    print_frame(console, to_run_table(plan), empty="nothing would run here")
    console.print()
    print_frame(console, not_run_table(plan), index=False, empty="everything planned would run")
