"""Whether delivery tables agree with themselves, and engines' claims with them."""

from __future__ import annotations

from collections.abc import Iterator

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import RouteClaims
from certification_pipeline.catalog.delivery import UnsupportedCombination
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.problems import Problem, nearest
from certification_pipeline.catalog.references import References, unknown
from certification_pipeline.catalog.validation import Location


def delivers(
    engine: Engine, index: int, route: RouteClaims, catalog: Catalog, references: References
) -> Iterator[Problem]:
    """A claim about a row of a delivery table claims what the table says: no more, and no less."""
    table = catalog.guarantees.get(engine.delivery.table) if engine.delivery else None
    for strategy, claim in route.strategies.items():
        if (row := claim.delivers) is None:
            continue
        at: Location = ("routes", index, "strategies", strategy, "delivers")
        if engine.delivery is None or table is None:
            message, remedy = (
                "the engine has no delivery table",
                "say `delivery: {table, profile}`, or drop it",
            )
            yield references.problem("engines", engine.id, at, message, remedy)
            continue
        for end, used, known in (
            ("source", row.source, table.sources),
            ("sink", row.sink, table.sinks),
        ):
            if used not in known:
                message = f"`{used}` is no {end} of the table `{table.id}`"
                yield references.problem("engines", engine.id, (*at, end), message, nearest(used, known))
                return
        if engine.delivery.profile not in table.profiles:
            return  # told at the engine's own `delivery`
        try:
            effective = table.effective(row.source, row.sink, engine.delivery.profile)
        except UnsupportedCombination:
            continue  # a plan refuses its cells, and says why
        if claim.guarantee is not effective:
            message = f"claims {claim.guarantee}, but the table makes it {effective}"
            yield references.problem(
                "engines", engine.id, at, message, f"claim {effective}, or correct the table"
            )


def delivery(engine: Engine, catalog: Catalog, references: References) -> Iterator[Problem]:
    """The table and the profile that an engine names are there."""
    if engine.delivery is None:
        return
    table = catalog.guarantees.get(engine.delivery.table)
    if table is None:
        yield from unknown(
            references, "guarantees", engine.delivery.table, ("engines", engine.id), ("delivery", "table")
        )
    elif engine.delivery.profile not in table.profiles:
        message = f"`{engine.delivery.profile}` is no profile of the table `{table.id}`"
        remedy = nearest(engine.delivery.profile, table.profiles)
        yield references.problem("engines", engine.id, ("delivery", "profile"), message, remedy)


def tables(catalog: Catalog, references: References) -> Iterator[Problem]:
    """Every row of a document is what its ends and its profiles make it; else one of them is wrong."""
    for name, table in catalog.guarantees.items():
        for index, row in enumerate(table.rows):
            for profile in table.profiles_of(row):
                effective = table.effective(row.source, row.sink, profile)
                if effective.rank < row.guarantee.rank:
                    at: Location = ("rows", index, "guarantee")
                    message = f"the row says {row.guarantee}, its weakest link under {profile} is {effective}"
                    remedy = "correct what the ends or the profile are good for"
                    yield references.problem("guarantees", name, at, message, remedy)
