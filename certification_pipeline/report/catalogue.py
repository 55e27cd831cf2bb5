"""The catalogue for people: scenarios and engines as tables."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.vocabulary import Strategy, Support


def scenarios_table(catalog: Catalog) -> pd.DataFrame:
    """One row a scenario."""
    rows = [
        {
            "scenario": scenario.id,
            "title": scenario.title,
            "proves": scenario.proves,
            "strategies": "all"
            if len(scenario.strategies) == len(Strategy)
            else ", ".join(scenario.strategies),
        }
        for scenario in catalog.scenarios.values()
    ]
    return pd.DataFrame(rows, columns=["scenario", "title", "proves", "strategies"])


def engines_table(catalog: Catalog) -> pd.DataFrame:
    """One row an engine."""
    rows = [
        {
            "engine": engine.id,
            "title": engine.title,
            "routes": ", ".join(f"{route.source} → {route.sink}" for route in engine.routes),
            "strategies": ", ".join(_claimed(engine)),
            "homepage": engine.homepage or "",
        }
        for engine in catalog.engines.values()
    ]
    return pd.DataFrame(rows, columns=["engine", "title", "routes", "strategies", "homepage"])


def print_scenario(console: Console, scenario: Scenario) -> None:
    """One scenario, a page a stranger can read."""
    console.print(Text(f"{scenario.id}  {scenario.title} (version {scenario.version})", "bold"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in (
        ("Purpose", scenario.purpose),
        ("Method", scenario.method),
        ("Passes when", scenario.passes_when),
        ("When red", scenario.remedy),
        ("Strategies", ", ".join(scenario.strategies)),
        ("Faults", ", ".join(scenario.faults)),
        ("Limits", ", ".join(f"{name} {value:g}" for name, value in scenario.limits.items())),
        ("Proves", scenario.proves),
        *((f"Version {version}", note) for version, note in sorted(scenario.history.items(), reverse=True)),
    ):
        if not text:
            continue
        table.add_row(Text(name), Text(text.strip()))
    console.print(table)


def catalogue_line(catalog: Catalog) -> str:
    """``The catalogue is sound: 2 engines, …``."""
    return (
        f"The catalogue is sound: {len(catalog.engines)} engines, {len(catalog.systems)} systems, "
        f"{len(catalog.scenarios)} scenarios, {len(catalog.profiles)} profiles, "
        f"{len(catalog.matrix.cases())} cases in the seeds' matrix, {len(catalog.policies)} policies."
    )


def _claimed(engine: Engine) -> list[str]:
    claimed = {
        strategy
        for route in engine.routes
        for strategy, claim in route.strategies.items()
        if claim.support in (Support.FULL, Support.PARTIAL)
    }
    return [strategy.value for strategy in Strategy if strategy in claimed]
