"""Where to click: the page and the button in Dagster for what evidence says as a ``certify`` command.

Addresses are relative to the origin, whatever host and port the browser came by. Dagster promises none of
them; a test in a real browser follows every kind of them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

import dagster as dg

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.orchestration.names import (
    CALIBRATION,
    FAMILY_ASSETS,
    PLAN,
    family_key,
    report_key,
    route_key,
    summary_key,
    word,
)


class Click(NamedTuple):
    """``matrix/dlt/postgres/duckdb › Checks › scd2 › Execute`` and the page that has the button."""

    says: str
    url: str


def asset_page(key: dg.AssetKey) -> str:
    """The asset's page; *Materialize* is on it."""
    return "/assets/" + "/".join(quote(part, safe="") for part in key.path)


def check_page(key: dg.AssetKey, check: str) -> str:
    """One check of an asset; *Execute* is on it."""
    return f"{asset_page(key)}?view=checks&checkDetail={quote(check, safe='')}"


def graph_page(selection: str) -> str:
    """The asset graph narrowed to a selection; *Materialize all* means just that."""
    return f"/asset-groups~{quote(selection, safe='')}"


def keys(*wanted: dg.AssetKey | str) -> str:
    """A selection of these; a string may hold ``*``."""
    named = (key if isinstance(key, str) else key.to_user_string() for key in wanted)
    return " or ".join(f'key:"{name}"' for name in named)


def connectors_routes(engine: str, system: str) -> str:
    """The routes that read or write the system."""
    return keys(f"matrix/{word(engine)}/{system}/*", f"matrix/{word(engine)}/*/{system}")


def deciding(engine: str, *families: Family) -> str:
    """What follows from cells alone, and these families; all but publishing.

    A family that the engine does not have here selects nothing.
    """
    made = (family_key(engine, family) for family in dict.fromkeys((Family.OPENLINEAGE, *families)))
    return keys(report_key(engine), *made, f"verdict/{word(engine)}/*", f"connectors/{word(engine)}/*")


def again(cells: str, engine: str) -> str:
    """The address at which one *Materialize all* runs these cells again and decides.

    A replay names single loads: it is out of date as soon as a cell is run again, so it is made again, too.
    """
    return graph_page(f"{cells} or {deciding(engine, Family.REPLAY)}")


def route_again(engine: str, source: str, sink: str) -> str:
    """One route and the verdict."""
    return again(keys(route_key(engine, source, sink)), engine)


def connector_again(engine: str, system: str) -> str:
    """Every route of a connector and the verdict."""
    return again(connectors_routes(engine, system), engine)


def family_again(engine: str, family: Family) -> str:
    """One evidence family and the verdict."""
    return graph_page(deciding(engine, family))


def decide_again(engine: str) -> str:
    """The verdict alone."""
    return graph_page(deciding(engine))


_MAKES = {
    "benchmark": Family.BENCHMARK,
    "lineage": Family.OPENLINEAGE,
    "dbt-lineage": Family.DBT_LINEAGE,
    "replay": Family.REPLAY,
    "connectors": Family.CONNECTOR_LIVE,
}
_FIELDS = {"engine": "engines", "route": "routes", "strategy": "strategies", "scenario": "scenarios"}
"""Options of ``certify run`` as the launchpad calls them."""
_COMMAND = re.compile(r"certify [^;`]*")
_ALL = "Materialize all"


def click_for(step: str, engine: str, profile: str | None = None) -> Click | None:
    """The click that does what a next step says; ``None`` for what only a terminal or a person can do.

    ``engine``, ``profile``: whose page it stands on. Another profile is another code location.
    """
    command, given = _said(step)
    [engine] = given.get("engine", [engine])[:1]
    if "metrics-json" in given or given.get("profile", [profile]) != [profile]:  # a person's files; elsewhere
        return None
    match command:
        case "run":
            return _run(given, engine)
        case "calibrate":
            return _on(CALIBRATION)
        case "suite" | "release-summary" | "strategy-bundle" | "evidence-bundle":
            said = f"{_path(summary_key(engine))} and what is before it › {_ALL}"
            return Click(said, decide_again(engine))
    return _made(_MAKES[command], engine) if command in _MAKES else None


def _said(step: str) -> tuple[str, dict[str, list[str]]]:
    """The first command in a sentence, and its options: ``--route a`` is ``{"route": ["a"]}``."""
    found = _COMMAND.search(step)
    try:
        _, command, *words = shlex.split(found[0]) if found else ("", "")
    except ValueError:  # a quote that belongs to the sentence around it, or nothing after `certify`
        return "", {}
    given: dict[str, list[str]] = {}
    for at, name in enumerate(words):
        if name.startswith("--"):
            following = words[at + 1 : at + 2]  # a switch has no value
            given.setdefault(name[2:], []).extend(each for each in following if not each.startswith("--"))
    return command, given


def _run(given: dict[str, list[str]], engine: str) -> Click:
    """``certify run``: inside a release where it names one, else a release of its own."""
    if "release-id" not in given:
        fields = [f"{_FIELDS[name]}: [{', '.join(given[name])}]" for name in _FIELDS if name in given]
        return Click(" › ".join(("plan", "Open launchpad", *fields)), asset_page(PLAN))
    if families := [family for family in FAMILY_ASSETS if family.value in given.get("family", ())]:
        return _made(families[0], engine)
    match given.get("route", []), given.get("strategy", []):
        case [route], [strategy]:
            key = route_key(engine, *route.split("_to_", 1))
            return Click(f"{_path(key)} › Checks › {strategy} › Execute", check_page(key, strategy))
        case [route], _:
            return _on(route_key(engine, *route.split("_to_", 1)))
    every = keys(f"matrix/{word(engine)}/*/*", f"evidence/{word(engine)}/*")
    return Click(f"every route of {engine} › {_ALL}", graph_page(f"{every} or {deciding(engine)}"))


def _made(family: Family, engine: str) -> Click:
    return Click(f"{_path(family_key(engine, family))} › {_ALL}", family_again(engine, family))


def _on(key: dg.AssetKey) -> Click:
    return Click(f"{_path(key)} › Materialize", asset_page(key))


def _path(key: dg.AssetKey) -> str:
    return key.to_user_string()


def links(clicks: Iterable[Click]) -> str:
    """As a Markdown list, each once."""
    return "\n".join(f"- [{click.says}]({click.url})" for click in dict.fromkeys(clicks))
