"""``certify verify``: sealed plans held against plans made anew from the catalogue installed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache, partial
from typing import NamedTuple

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import unversioned
from certification_pipeline.catalog.loading import catalog_digest
from certification_pipeline.catalog.parts import Differing, Parts, parts_of
from certification_pipeline.catalog.vocabulary import Family, ReasonCode
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell, Selection
from certification_pipeline.evidence.provenance import environment, producer
from certification_pipeline.families.plan import PlanError, build_plan
from certification_pipeline.gates.catalogue import differs
from certification_pipeline.gates.verify.judge import Held, Planned
from certification_pipeline.harness.services.provider import Availability

_OF_THE_MACHINE = frozenset({ReasonCode.SERVICE_UNAVAILABLE, ReasonCode.DRIVER_MISSING})
"""Why a cell may not run where it was planned, whatever the catalogue says."""
_MOST = 5
_REMEMBERED = 64
_UNSEEN = "whether the plan leaves anything out cannot be seen here"
_HERE = Availability(ok=True, detail="")


class _Asked(NamedTuple):
    """What a plan's cells follow from, beside the catalogue."""

    engine: str
    profile: str
    rows: int
    seed: int
    selection: Selection


def planned_from(catalog: Catalog) -> Planned:
    """How plans are held against this catalogue: they may leave nothing out, and ask for nothing less.

    What the catalogue gives is worked out once, however many releases asked for the same.
    """
    digest_for = cache(partial(catalog_digest, catalog))
    parts_for = cache(partial(parts_of, catalog))

    @lru_cache(maxsize=_REMEMBERED)
    def cells_of(asked: _Asked) -> Mapping[CellKey, PlannedCell] | str:
        return _cells(catalog, asked, digest_for(asked.engine))

    def planned(plan: CertificationPlan, then: Parts | None) -> Held:
        engine = plan.subject.engine
        if unversioned(engine) not in catalog.engines or plan.profile not in catalog.profiles:
            what = f"engine {engine!r}" if unversioned(engine) not in catalog.engines else plan.profile
            return Held(other=(f"the catalogue installed here knows no {what}: {_UNSEEN}",))
        wanted = cells_of(_Asked(engine, plan.profile, plan.rows, plan.seed, plan.selection))
        families = list(_families(catalog, plan))
        if plan.catalog_digest == digest_for(engine):
            problems = [wanted] if isinstance(wanted, str) else list(_otherwise(plan, wanted))
            return Held(problems=_first([*problems, *families], "cells: and {} more"))
        if then is None:
            here = digest_for(engine)
            told = f"it is planned from {plan.catalog_digest}; installed here is {here}: {_UNSEEN}"
            return Held(other=(told,))
        found = differs(plan, then, parts_for(engine))
        lacking = [wanted] if isinstance(wanted, str) else list(_otherwise(plan, wanted, catalog))
        other = _first([f"judged by another catalogue: {one}" for one in found.judged_by], "and {} more")
        if missing := [*lacking, *families]:
            why = [*missing[:_MOST], *map(str, found.planned_by)]
            other += _first([f"planned by another catalogue: {one}" for one in why], "and {} more")
        return Held(other=other, notes=_told(plan, digest_for(engine), found))

    return planned


def _told(plan: CertificationPlan, here: str, found: Differing) -> tuple[str, ...]:
    """What differs and decides nothing."""
    told = [str(one) for one in found.planned_by]
    differing = "; ".join(_first(told, "and {} more")) or "what it rests on is the same"
    return (f"planned from the catalogue {plan.catalog_digest}, installed here is {here}: {differing}",)


def _first(told: Sequence[str], more: str) -> tuple[str, ...]:
    """The first few, and how many there are besides."""
    left = len(told) - _MOST
    return (*told[:_MOST], *((more.format(left),) if left > 0 else ()))


def _cells(catalog: Catalog, asked: _Asked, digest: str) -> Mapping[CellKey, PlannedCell] | str:
    """The cells of a plan, if every service were there; or why nobody could plan that."""
    try:
        made = build_plan(
            catalog,
            asked.engine,
            asked.profile,
            rows=asked.rows,
            seed=asked.seed,
            release_id="",
            run_id="",
            subject=Subject(engine=asked.engine, version="", artifact_digest=""),
            availability=dict.fromkeys(catalog.systems, _HERE),
            producer=producer(),
            environment=environment(),
            routes=asked.selection.routes,
            strategies=asked.selection.strategies,
            scenarios=asked.selection.scenarios,
            one_of_many=True,
            digest=digest,
        )
    except PlanError as error:
        return f"cells: nobody could plan this: {error.message}"
    return {cell.key: cell for cell in made.cells}


def _otherwise(
    plan: CertificationPlan, wanted: Mapping[CellKey, PlannedCell], here: Catalog | None = None
) -> Iterator[str]:
    """Where the plan's cells are other ones. ``here``: another catalogue's, whose wording may differ.

    Then a cell of a scenario that is no more, and one that is no question of the engine, prove as little as
    they take away.
    """
    there = {cell.key: cell for cell in plan.cells}
    prose = {"detail", "remedy"} if here else set[str]()
    for key, cell in wanted.items():
        if key not in there and not (here and cell.disposition == "inapplicable"):
            yield f"cells: leaves out {key.cell_id}"
    for key, cell in there.items():
        if key in wanted:
            yield from _cell(cell, wanted[key], prose)
        elif here is None or key.scenario in here.scenarios:
            yield f"cells: plans {key.cell_id}, which the catalogue does not"


def _cell(found: PlannedCell, wanted: PlannedCell, prose: set[str]) -> Iterator[str]:
    free = {"disposition", "reason", "detail", "remedy"} if _unreachable(found, wanted) else prose
    for field in PlannedCell.model_fields:
        says, is_ = getattr(found, field), getattr(wanted, field)
        if field not in free and says != is_:
            yield f"cells[{found.key.cell_id}].{field}: says {_short(says)}, is {_short(is_)}"


def _unreachable(found: PlannedCell, wanted: PlannedCell) -> bool:
    """Untested because something was not there: true or not, a required cell of that kind is no green."""
    return (
        found.disposition == "untested"
        and found.reason in _OF_THE_MACHINE
        and wanted.disposition in {"run", "untested"}
        and found.required == wanted.required
    )


def _families(catalog: Catalog, plan: CertificationPlan) -> Iterator[str]:
    """Families beside the matrix: all that the profile makes for this engine, or those asked for by name."""
    selection = plan.selection
    narrowed = bool(selection.routes or selection.strategies or selection.scenarios)
    offered = catalog.profiles[plan.profile].families
    mine = tuple(family for family, engines in offered.items() if plan.subject.engine in engines)
    if narrowed and not selection.families:
        wanted: tuple[Family, ...] = ()
    else:
        globs = selection.families
        wanted = tuple(one for one in mine if not globs or any(fnmatchcase(one, glob) for glob in globs))
    if set(plan.families) != set(wanted):
        yield f"families: says {_names(plan.families)}, is {_names(wanted)}"


def _names(families: tuple[Family, ...]) -> str:
    return ", ".join(sorted(families)) or "none"


def _short(value: object) -> str:
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text[:79] + "…" if len(text) > 80 else text  # noqa: PLR2004
