"""A route's columns where Dagster looks for them: which source column each sink column is a copy of.

Read from loads that ran and whose sink the oracle found as it must be. What was not seen is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.load_lineage import JudgedLoad, judged_loads
from certification_pipeline.evidence.openlineage import OWN_CELLS
from certification_pipeline.orchestration.render import Metadata
from certification_pipeline.report.release import Selection, SubjectView

DATASET = "dataset"
"""First part of a table's key, as in the lineage of the dbt family."""


def route_columns(view: SubjectView) -> Metadata:
    """Schema and lineage of one route's sink; nothing without a proven load, nothing where a cell failed.

    Such a route's page begins with what failed; the UI would move it below the columns. A strategy may add
    columns of its own (scd2's validity): they are in the schema, with its name, and have no lineage.
    """
    if view.failed:
        return {}
    deps: dict[str, dict[dg.TableColumnDep, None]] = {}
    types: dict[str, str] = {}
    added: dict[str, list[str]] = {}
    for load in _proven(view):
        assert load.load.source is not None  # a load without one has no columns to copy
        table = dg.AssetKey([DATASET, load.load.source.system, load.load.source.name])
        copied = load.copied
        for name, logical in load.sink_columns:
            if name in copied:
                deps.setdefault(name, {})[dg.TableColumnDep(table, copied[name])] = None
                types.setdefault(name, logical or "not known")
            elif load.key.strategy.value not in added.setdefault(name, []):
                added[name].append(load.key.strategy.value)
    if not deps:
        return {}
    columns = [dg.TableColumn(name, types[name], _copied(found)) for name, found in deps.items()]
    columns += [
        dg.TableColumn(
            name, "not known", description=f"no source column stands behind it; in {', '.join(strategies)}"
        )
        for name, strategies in added.items()
        if name not in deps
    ]
    lineage = dg.TableColumnLineage({name: list(found) for name, found in deps.items()})
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(lineage),
    }


def _copied(found: Iterable[dg.TableColumnDep]) -> str:
    """For who looks at the list of columns; not every edition of the UI draws their lineage."""
    return "copied from " + ", ".join(
        f"{' '.join(dep.asset_key.path[1:])}.{dep.column_name}" for dep in found
    )


def _proven(view: SubjectView) -> list[JudgedLoad]:
    """The last load of each strategy's own cell that ended well with the sink as it must be."""
    last = {load.key: load for load in _loads(view) if load.load.source and _seen_right(load)}
    return list(last.values())


def _loads(view: SubjectView, *strategies: Strategy) -> Iterator[JudgedLoad]:
    own = view.select(Selection(strategies=tuple(strategies), scenarios=(OWN_CELLS,)))
    for line in sorted(own.lines, key=lambda line: line.key.cell_id):
        yield from judged_loads(line.evidence) if line.evidence else ()


def rate(view: SubjectView) -> Metadata:
    """Rows a second of the first full refresh: a line to see a trend in.

    No benchmark: other cells run beside it. That one is ``benchmark_baseline``, with its ratio.
    """
    for load in _loads(view, Strategy.FULL_REFRESH):
        if load.load.ended == "result" and load.seen and load.load.seconds:
            return {
                "rows_per_second": dg.MetadataValue.float(round(load.seen.actual.rows / load.load.seconds, 1))
            }
    return {}


def _seen_right(load: JudgedLoad) -> bool:
    seen = load.seen
    return load.load.ended == "result" and seen is not None and seen.outcome is Outcome.PASSED
