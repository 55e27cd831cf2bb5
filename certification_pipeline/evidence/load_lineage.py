"""Which source column became which sink column: the lineage of loads that ran, as the oracle saw it.

Read from the cells' evidence alone. OpenLineage events are made from it and held against it; dbt lineage
joins onto its sinks; the report draws it. Datasets are named without address and without credentials, and a
cell has the same names in every release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CellKey,
    CheckJudgement,
    Dataset,
    Judgement,
    LoadEvidence,
    RowJudgement,
)
from certification_pipeline.evidence.plan import CertificationPlan

_AFTER_LOAD = re.compile(r"after load (\d+)(?: \(|$)")


class DatasetName(Model):
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def dataset_name(key: CellKey, role: Literal["source", "sink"], dataset: Dataset) -> DatasetName:
    """``certify://reference/sink/duckdb`` and ``<cell id>/standard``.

    The cell stands for the schema or file of its own that the bench gave it: SQLite has no schemas, and
    PostgreSQL to PostgreSQL has the same one on both sides.
    """
    return DatasetName(
        namespace=f"certify://{key.engine}/{role}/{dataset.system}", name=f"{key.cell_id}/{dataset.name}"
    )


class LoadEdge(Model):
    """One cell's source table, its sink table, and what came from where."""

    cell_id: str
    run_id: str
    source: DatasetName
    sink: DatasetName
    columns: dict[str, str]
    """Sink column -> source column it is a copy of."""
    engine_columns: tuple[str, ...]
    """Sink columns that no source column stands behind, e.g. scd2's validity."""
    rows: int
    """In the sink, counted by the oracle right after that load."""
    proven: bool
    """Whether the oracle found the sink as it must be."""


def load_lineage(cells: Iterable[CellEvidence]) -> tuple[LoadEdge, ...]:
    """One edge for each cell: its last load that ended well and that the oracle looked at."""
    edges = []
    for cell in cells:
        good = [load for load in judged_loads(cell) if load.load.ended == "result" and load.seen is not None]
        if good and (seen := good[-1].seen) and (source := good[-1].source) and (sink := good[-1].sink):
            copied = good[-1].copied
            edges.append(
                LoadEdge(
                    cell_id=cell.key.cell_id,
                    run_id=good[-1].load.run_id,
                    source=source,
                    sink=sink,
                    columns=copied,
                    engine_columns=tuple(name for name, _ in good[-1].sink_columns if name not in copied),
                    rows=seen.actual.rows,
                    proven=seen.outcome is Outcome.PASSED,
                )
            )
    return tuple(edges)


Columns = tuple[tuple[str, str | None], ...]
"""Name and logical type, in order; the type of what an engine adds is not known."""


@dataclass(frozen=True)
class JudgedLoad:
    """One load with all that was judged about it."""

    key: CellKey
    load: LoadEvidence
    judgements: tuple[Judgement, ...]

    @property
    def seen(self) -> RowJudgement | None:
        """The oracle's first look at the sink after the load; None when it did not look or could not read."""
        return next((j for j in self.judgements if isinstance(j, RowJudgement) and j.seen_columns), None)

    @property
    def asked_to_fail(self) -> bool:
        """Whether the scenario wanted this load to fail, and it failed as wanted."""
        return any(
            isinstance(j, CheckJudgement)
            and j.name == "load_ended"
            and j.expected != "result"
            and j.outcome is Outcome.PASSED
            for j in self.judgements
        )

    @property
    def source(self) -> DatasetName | None:
        """The table that was read."""
        return dataset_name(self.key, "source", self.load.source) if self.load.source else None

    @property
    def sink(self) -> DatasetName | None:
        """The table that was written."""
        return dataset_name(self.key, "sink", self.load.sink) if self.load.sink else None

    @property
    def source_columns(self) -> Columns:
        """As the bench had made them at the time of the load."""
        return tuple((column.name, column.type) for column in self.load.columns)

    @property
    def sink_columns(self) -> Columns:
        """As the oracle found them; empty when it did not look."""
        if self.seen is None:
            return ()
        types = dict(self.source_columns)
        found = (*self.seen.seen_columns, *self.seen.unexpected_columns)
        return tuple((name, types.get(name)) for name in found)

    @property
    def copied(self) -> dict[str, str]:
        """Sink column -> source column. Engines copy: what is judged must be equal under the same name."""
        there = {name for name, _ in self.source_columns}
        expected = self.seen.seen_columns if self.seen else ()
        return {name: name for name in expected if name in there}

    @property
    def claimed_rows(self) -> int | None:
        """Rows in the sink after the load, as the engine says; None when it says nothing."""
        claim = (self.load.record or {}).get("final_rows")
        return claim if isinstance(claim, int) and not isinstance(claim, bool) else None


def judged_loads(cell: CellEvidence) -> tuple[JudgedLoad, ...]:
    """A cell's loads in order, each with the judgements that were made of it or right after it."""
    return tuple(
        JudgedLoad(cell.key, load, tuple(_about(cell.judgements, number, load)))
        for number, load in enumerate(cell.loads, start=1)
    )


def foreign(cell: CellEvidence, plan: CertificationPlan) -> str | None:
    """Why this evidence is not of this plan and subject, or None."""
    for field, found, expected in (
        ("plan_digest", cell.plan_digest, plan.plan_digest),
        ("release_id", cell.release_id, plan.release_id),
        ("subject", cell.subject, plan.subject),
    ):
        if found != expected:
            return f"{field} is not the plan's"
    return None


def _about(judgements: Iterable[Judgement], number: int, load: LoadEvidence) -> Iterator[Judgement]:
    for judgement in judgements:
        after = _AFTER_LOAD.match(judgement.step)
        if judgement.step == load.step or (after and int(after[1]) == number):
            yield judgement
