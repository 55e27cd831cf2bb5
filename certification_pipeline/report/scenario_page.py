"""The catalogue's scenarios as a page, ``docs/scenarios.md``: generated, and compared by a test.

``python -m certification_pipeline.report.scenario_page docs/scenarios.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.vocabulary import Strategy

_HEAD = """\
# The scenarios

Generated from the catalogue (`certification_pipeline/catalog/data/scenarios`). Each scenario is a workload
and a disruption with a criterion; a cell of the matrix is one of them on one route under one strategy.
Evidence names the scenario's version: what changed with it is told under it.

"""


def scenarios_page(catalog: Catalog) -> str:
    """The whole page, rooms in the order of their names."""
    ordered = sorted(catalog.scenarios.values(), key=lambda scenario: (_room(scenario), scenario.id))
    parts = [_HEAD, *_contents(ordered)]
    for room, scenarios in groupby(ordered, key=_room):
        parts.append(f"\n## {room}.*\n")
        for scenario in scenarios:
            parts += ["\n", *_page(scenario)]
    return "".join(parts)


def _contents(scenarios: list[Scenario]) -> Iterator[str]:
    yield "| scenario | version | title | proves |\n| --- | --- | --- | --- |\n"
    for scenario in scenarios:
        anchor = scenario.id.replace(".", "")
        yield (
            f"| [`{scenario.id}`](#{anchor}) | {scenario.version} | {scenario.title} | {scenario.proves} |\n"
        )


def _page(scenario: Scenario) -> Iterator[str]:
    known = f"version {scenario.version}, proves {scenario.proves}"
    yield f"### {scenario.id}\n\n**{scenario.title}** ({known})\n\n{scenario.purpose}\n\n"
    for name, text in (
        ("What it does", scenario.method),
        ("Passes when", scenario.passes_when),
        ("When red", scenario.remedy),
        ("Strategies", _strategies(scenario)),
        ("Sources", ", ".join(f"`{system}`" for system in scenario.sources)),
        ("Disturbs", _disturbs(scenario)),
        ("Faults", ", ".join(f"`{name}`" for name in scenario.faults)),
        ("Limits", ", ".join(f"`{name}`: {value:g}" for name, value in scenario.limits.items())),
    ):
        if text:
            yield f"- {name}: {text}\n"
    for version, note in sorted(scenario.history.items(), reverse=True):
        yield f"- Version {version}: {note}\n"
    yield "- Version 1: first of its kind.\n"


def _strategies(scenario: Scenario) -> str:
    if len(scenario.strategies) == len(Strategy):
        return "all"
    return ", ".join(f"`{strategy}`" for strategy in scenario.strategies)


def _disturbs(scenario: Scenario) -> str:
    return "; ".join(f"{' or '.join(ways)} of the {side}" for side, ways in scenario.disturbs.items())


def _room(scenario: Scenario) -> str:
    return scenario.id.partition(".")[0]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(scenarios_page(load_catalog()))
