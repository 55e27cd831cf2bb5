"""Columns mapped wrongly: what becomes of the evolution planner's plan."""

from __future__ import annotations

from dataclasses import replace

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference import evolution
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column

WIDEST = 64


def spoilt_plan(  # noqa: PLR0911 - one a defect
    defect: Defect | None, plan: evolution.Plan, there: tuple[Column, ...] | None
) -> evolution.Plan:
    """The plan that is followed instead; ``there`` are the target's columns, none where it is made anew."""
    match defect:
        case Defect.WIDE_TABLES_CUT:
            return replace(plan, mappings=plan.mappings[:WIDEST])
        case Defect.NAMES_FOLDED:
            return replace(plan, mappings=tuple(map(_folded, plan.mappings)))
        case Defect.NEW_COLUMNS_IGNORED if there is not None:
            added = {step.column.name for step in plan.steps if isinstance(step, evolution.AddColumn)}
            kept = tuple(mapping for mapping in plan.mappings if mapping.target.name not in added)
            return replace(_without(plan, evolution.AddColumn), mappings=kept)
        case Defect.STALE_TYPE if there is not None:
            before = {column.name: column for column in there}
            stale = tuple(replace(m, target=before.get(m.target.name, m.target)) for m in plan.mappings)
            return replace(_without(plan, evolution.WidenColumn), mappings=stale)
        case Defect.NOT_NULL_KEPT if there is not None:
            return _without(plan, evolution.RelaxColumn)
        case Defect.NARROWER_REFUSED if there is not None:
            return _wide_enough(plan)
        case Defect.RENAME_GUESSED if there is not None:
            return _renamed(plan, there)
    return plan


def _without(plan: evolution.Plan, kind: type[evolution.Step]) -> evolution.Plan:
    return replace(plan, steps=tuple(step for step in plan.steps if not isinstance(step, kind)))


def _folded(mapping: evolution.Mapping) -> evolution.Mapping:
    return replace(mapping, target=replace(mapping.target, name=mapping.target.name.lower()))


def _wide_enough(plan: evolution.Plan) -> evolution.Plan:
    for source, target in ((mapping.source, mapping.target) for mapping in plan.mappings):
        if evolution.widens(source.type, target.type):
            raise LoadError(
                FailureCategory.SCHEMA, f"column {source.name!r} is {source.type}, was {target.type}"
            )
    return plan


def _renamed(plan: evolution.Plan, there: tuple[Column, ...]) -> evolution.Plan:
    """One column came and one went: it must be the same one under another name."""
    added = [step.column for step in plan.steps if isinstance(step, evolution.AddColumn)]
    if len(added) != 1 or len(plan.kept) != 1:
        return plan
    gone = next(column for column in there if column.name == plan.kept[0])
    mappings = tuple(
        replace(m, target=gone.as_nullable()) if m.target.name == added[0].name else m for m in plan.mappings
    )
    return replace(_without(plan, evolution.AddColumn), mappings=mappings, kept=())
