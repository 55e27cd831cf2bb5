"""The documentation pages: where they lie, what they must hold, and the tables generated into them.

``python -m certification_pipeline.families.connector_live.pages docs/connectors`` rewrites the generated
tables in every page; with ``--check`` it names the pages whose tables are out of date (law 10).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims, TypeRule
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import DriftKind, Support
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.families.connector_live.packages import allowed

FOLDER = "connectors"
EXAMPLES = "examples"
SECTIONS = (
    "What it is",
    "Installation",
    "Example manifest",
    "Credentials",
    "Type mapping",
    "Load strategies and guarantees",
    "Schema drift",
    "Known limitations",
    "Live tests",
    "Troubleshooting",
)
SHORTEST_SECTION = 80
"""Characters of a section's own words, without tables and code: less says nothing."""

_BLOCK = re.compile(r"(<!-- certify:([a-z]+) -->\n).*?(<!-- certify:end -->)", re.DOTALL)
_SECTION = re.compile(r"^## +(.+?)\s*$", re.MULTILINE)
_LEVEL = re.compile(r"^- Level: ([a-z-]+)\s*$", re.MULTILINE)
_LIMITED = (Support.PARTIAL, Support.UNSUPPORTED, Support.NOT_IMPLEMENTED, Support.NOT_IN_ARTIFACT)
_CLAIMED = (Support.FULL, Support.PARTIAL)


def page_path(docs: Path, connector: str) -> Path:
    """``<docs>/connectors/<engine>/<system>.md``."""
    return docs / FOLDER / f"{connector}.md"


def manifests_of(docs: Path, connector: str, *, sink: bool) -> list[Path]:
    """Its example manifests: those that load into it, or, for a source only, those that read from it."""
    engine, _, system = connector.partition("/")
    pattern = f"{engine}-*-{system}.yaml" if sink else f"{engine}-{system}-*.yaml"
    return sorted((docs / FOLDER / EXAMPLES).glob(pattern))


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands below it, for headings of the second rank."""
    parts = _SECTION.split(text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def words_of(section: str) -> str:
    """A section's own words: without generated blocks, code and tables."""
    text = re.sub(r"```.*?```", "", _BLOCK.sub("", section), flags=re.DOTALL)
    return " ".join(line for line in text.split("\n") if not line.startswith(("|", "<!--"))).strip()


def stated_level(text: str) -> str | None:
    """The level that a page states."""
    found = _LEVEL.search(text)
    return found[1] if found else None


def stating(text: str, level: str) -> str:
    """The page with its level replaced; a page that states none stays as it is."""
    found = _LEVEL.search(text)
    return text if found is None else text[: found.start(1)] + level + text[found.end(1) :]


def rendered(text: str, connector: str, catalog: Catalog) -> str:
    """The page with every generated block as the catalogue has it now."""

    def block(match: re.Match[str]) -> str:
        make = BLOCKS.get(match[2])
        return match[0] if make is None else f"{match[1]}{make(connector, catalog)}\n{match[3]}"

    return _BLOCK.sub(block, text)


def blocks(text: str) -> dict[str, str]:
    """Name -> content of each generated block that stands in the text."""
    return {
        match[2]: match[0][len(match[1]) : -len(match[3])].rstrip("\n") for match in _BLOCK.finditer(text)
    }


def claims_of(connector: str, catalog: Catalog) -> Iterator[RouteClaims]:
    """Every route of the engine that begins or ends in the connector's system."""
    engine, _, system = connector.partition("/")
    for route in catalog.engine(engine).routes:
        if system in (route.source, route.sink):
            yield route


def _strategies(connector: str, catalog: Catalog) -> str:
    rows: dict[tuple[str, ...], list[str]] = {}
    for route in claims_of(connector, catalog):
        for strategy, claim in route.strategies.items():
            if claim.support in _CLAIMED:
                key = (strategy.value, claim.support.value, claim.guarantee or "none documented")
                rows.setdefault(key, []).append(f"{route.source} → {route.sink}")
    head = ("strategy", "support", "guarantee", "routes")
    return _table(head, ((*key, ", ".join(routes)) for key, routes in rows.items()))


def _limitations(connector: str, catalog: Catalog) -> str:
    by_route: dict[tuple[str, str, str], list[str]] = {}
    for route in claims_of(connector, catalog):
        for strategy, claim in route.strategies.items():
            if claim.support in _LIMITED:
                key = (claim.support.value, _why(claim), f"{route.source} → {route.sink}")
                by_route.setdefault(key, []).append(strategy.value)
    together: dict[tuple[str, str, str], list[str]] = {}
    for (support, why, where), strategies in by_route.items():
        together.setdefault((support, ", ".join(strategies), why), []).append(where)
    if not together:
        return (
            "The catalogue declares no strategy of this connector as partial, unsupported or not implemented."
        )
    rows = ((key[0], ", ".join(routes), key[1], key[2]) for key, routes in together.items())
    return _table(("support", "routes", "strategies", "why"), rows)


def _types(connector: str, catalog: Catalog) -> str:
    engine, _, system = connector.partition("/")
    routes = [r for r in catalog.engine(engine).routes if r.sink == system and _runnable(r)]
    if not routes:
        return "It is a source only: what a type becomes is told by the page of the sink."
    rules: Mapping[str, TypeRule] = {**catalog.types.get(system, {}), **routes[0].types}
    rows = (
        (logical, ", ".join(rule.physical), ", ".join(rule.loss) or "none") for logical, rule in rules.items()
    )
    return _table(("logical type", "permitted in the sink", "declared loss"), rows)


def _drift(connector: str, catalog: Catalog) -> str:
    """Drift and declared behaviour, with the strategies and routes that behave so."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for route in claims_of(connector, catalog):
        for strategy, claim in route.strategies.items():
            for kind in DriftKind if claim.support in _CLAIMED else ():
                if (behaviour := route.drift_behaviour(strategy, kind)) is not None:
                    where = f"{route.source} → {route.sink}"
                    routes = found.setdefault((kind.value, behaviour.value), {})
                    routes.setdefault(strategy.value, []).append(where)
    if not found:
        return "The engine declares nothing about changed schemas: `schema.*` proves nothing here."
    rows: list[tuple[str, ...]] = []
    for (drift, happens), strategies in found.items():
        together: dict[str, list[str]] = {}
        for strategy_id, routes_of in strategies.items():
            together.setdefault(", ".join(routes_of), []).append(strategy_id)
        rows += [(drift, happens, ", ".join(names), where) for where, names in together.items()]
    return _table(("drift", "what happens", "strategies", "routes"), rows)


def _packages(connector: str, catalog: Catalog) -> str:
    engine, _, system = connector.partition("/")
    return "Optional packages it may import: " + ", ".join(
        f"`{name}`" for name in sorted(allowed(engine, system))
    )


BLOCKS: Mapping[str, Callable[[str, Catalog], str]] = {
    "strategies": _strategies,
    "limitations": _limitations,
    "types": _types,
    "packages": _packages,
    "drift": _drift,
}
"""Every table that is generated; each must stand in each page."""


def _why(claim: Claim) -> str:
    return claim.note or "no reason is declared"


def _runnable(route: RouteClaims) -> bool:
    return any(claim.support in _CLAIMED for claim in route.strategies.values())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def stale_pages(folder: Path, catalog: Catalog, *, write: bool = False) -> list[Path]:
    """Pages below ``folder`` whose tables differ from the catalogue; with ``write`` they are mended."""
    stale = []
    for page in sorted(folder.glob("*/*.md")):
        connector = f"{page.parent.name}/{page.stem}"
        if page.parent.name not in catalog.engines:
            continue
        before = page.read_text(encoding="utf-8")
        after = rendered(before, connector, catalog)
        if after != before:
            stale.append(page)
            if write:
                write_atomically(page, after.encode())
    return stale


if __name__ == "__main__":
    check = "--check" in sys.argv
    changed = stale_pages(Path(sys.argv[1]), load_catalog(), write=not check)
    sys.stderr.writelines(f"{'out of date' if check else 'written'}: {page}\n" for page in changed)
    sys.exit(1 if check and changed else 0)
