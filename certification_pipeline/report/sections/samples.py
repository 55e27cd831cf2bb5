"""A sampled row, ready to show."""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.evidence.cell import RowSample
from certification_pipeline.report.tables import key_text
from certification_pipeline.report.visible import Segment, both_sides, short


@dataclass(frozen=True, slots=True)
class SampleView:
    """A sample row, both sides of it."""

    where: str
    step: str
    anomaly: str
    key: str
    column: str
    expected: list[Segment]
    actual: list[Segment]


def sample_view(where: str, step: str, row: RowSample) -> SampleView:
    """``where`` is ours; what came from outside is made visible and cut."""
    expected, actual = both_sides(row)
    return SampleView(
        where=where,
        step=short(step),
        anomaly=row.anomaly.value.replace("_", " "),
        key=short(key_text(row.key)),
        column=short(row.column or "whole row"),
        expected=expected,
        actual=actual,
    )
