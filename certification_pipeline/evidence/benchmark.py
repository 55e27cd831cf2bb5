"""``benchmark_baseline.json``: figures somebody gives, held against the baseline they must not fall behind.

Keeps dpone's fields (``items[].metric … action``, ``output_dir``) beside its own. Knows the shapes and
what a figure may be; how an item is judged is for the gate.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from certification_pipeline.evidence.artifact import Model
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
    """Green when both sides name the same metrics and none is worse than its threshold."""

    KIND: ClassVar[str] = "benchmark_baseline"

    source: Literal["given"] = Field(
        description="given: the caller's claim, nothing here measured it; only the comparison is ours"
    )
    allowed_regression_ratio: AllowedRatio
    metrics: Metrics = Field(description="as given")
    baseline: Baseline = Field(description="as given")
    items: tuple[BenchmarkItem, ...]
    output_dir: str = "."
