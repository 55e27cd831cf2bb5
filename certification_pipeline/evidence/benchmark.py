"""``benchmark_baseline.json``: figures, given or measured, held against what they must not fall behind.

Keeps dpone's fields (``items[].metric … action``, ``output_dir``) beside its own. Knows the shapes and
what a figure may be; how an item is judged is for the gate.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.benchmark_samples import Comparison, FalseAlarms, Measurement
from certification_pipeline.evidence.decision import Decision

LARGEST_FIGURE = 1e300
"""Twice this is still a float, so that every threshold is one."""

MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")]
"""It becomes part of a blocker's code."""

Figure = Annotated[float, Field(strict=True, ge=0, le=LARGEST_FIGURE, allow_inf_nan=False)]
"""A rate, a duration, a size: finite and never negative. A number, not a string or a boolean."""

AllowedRatio = Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)]
"""Part of the baseline a metric may lose. From 1 on, a metric where higher is better could not fail."""


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


class BaselineFigure(Model):
    """What one metric is held against."""

    value: Figure
    direction: Direction


class BenchmarkAction(StrEnum):
    """What an item asks for."""

    NONE = "none"
    INVESTIGATE = "investigate_regression"
    MEASURE = "measure_metric"
    ADD_BASELINE = "add_baseline"


class BenchmarkItem(Model):
    """One metric of either side. ``None``: that side does not have it."""

    metric: MetricName
    direction: Direction | None
    actual: float | None
    baseline: float | None
    allowed_regression_ratio: float
    allowed_threshold: float | None = Field(description="the worst value that still passes")
    passed: bool
    action: BenchmarkAction


Metrics = dict[MetricName, Figure]
Baseline = Annotated[dict[MetricName, BaselineFigure], Field(min_length=1)]


class BenchmarkBaseline(Decision):
    """Given: both sides name the same metrics and none is worse than its threshold.

    Measured: each gated metric is proven to be within what it may lose, against the baseline rerun beside it.
    """

    KIND: ClassVar[str] = "benchmark_baseline"

    source: Literal["given", "measured"] = Field(
        description="given: the caller's claim, nothing measured it; measured: real loads, see measurement"
    )
    allowed_regression_ratio: AllowedRatio
    metrics: Metrics = Field(description="given: as given; measured: medians of the contender")
    baseline: dict[MetricName, BaselineFigure] = Field(
        description="given: as given, never empty; measured: medians of the baseline"
    )
    items: tuple[BenchmarkItem, ...] = Field(description="measured: the gated metrics")
    measurement: Measurement | None = Field(None, description="measured only")
    comparisons: tuple[Comparison, ...] = Field((), description="measured only: every metric, gated or not")
    aa: FalseAlarms | None = Field(None, description="measured only: how often this gate cries wolf")
    output_dir: str = "."

    @model_validator(mode="after")
    def _of_one_form(self) -> Self:
        if (self.source == "measured") != (self.measurement is not None):
            raise ValueError(
                f"source is {self.source} but measurement is {'there' if self.measurement else 'not'}"
            )
        if self.source == "given" and (not self.baseline or self.comparisons or self.aa):
            raise ValueError("given figures need a baseline, and nothing of them was measured")
        return self
