"""What ``certify benchmark`` is asked to compare, read strictly from the seeds' JSON options.

A request that is malformed is refused here, before anything is judged or written. A well-formed one whose
two sides disagree is for the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.benchmark import AllowedRatio, Baseline, Direction, Metrics
from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.errors import EvidenceError

METRICS_OPTION = "--metrics-json"
BASELINE_OPTION = "--baseline-json"
RATIO_OPTION = "--allowed-regression-ratio"
LARGEST_INPUT = 1 << 20
"""Bytes of one option or file: thousands of metrics."""


class RequestError(Exception):
    """What was asked for makes no sense; ``remedy`` says what would."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class BenchmarkRequest(Model):
    """Both sides, as given, and how much worse a metric may be."""

    metrics: Metrics
    baseline: Baseline
    allowed_regression_ratio: AllowedRatio

    def cannot_fail(self) -> Iterator[str]:
        """Metrics no value could turn red: nothing is lower than a part of zero."""
        for name, figure in self.baseline.items():
            if figure.direction is Direction.HIGHER and figure.value == 0:
                yield name


def benchmark_request(metrics: str, baseline: str, ratio: float) -> BenchmarkRequest:
    """From the options' text; ``@FILE`` reads a file. RequestError names option and field."""
    request = BenchmarkRequest(
        metrics=_validated(METRICS_OPTION, metrics, _METRICS, _METRICS_FORM),
        baseline=_validated(BASELINE_OPTION, baseline, _BASELINE, _BASELINE_FORM),
        allowed_regression_ratio=_ratio(ratio),
    )
    for name in request.cannot_fail():
        problem = "is 0 where higher is better: no value could be worse"
        raise RequestError(f"{BASELINE_OPTION}: {name}.value: {problem}", "give a baseline above 0")
    return request


def _ratio(ratio: float) -> float:
    try:
        return _RATIO.validate_python(ratio)
    except ValidationError:
        remedy = "give the part of the baseline a metric may lose: at least 0, less than 1, e.g. 0.10"
        raise RequestError(f"{RATIO_OPTION}: {ratio} is not a ratio in [0, 1)", remedy) from None


def _validated(option: str, text: str, shape: TypeAdapter[Any], form: str) -> Any:
    data = _bytes(option, text)
    try:
        value = parse_value(data, option)
    except EvidenceError as error:
        where = f"{option}: {_shown(error.field)}" if error.field is not None else option
        raise RequestError(f"{where}: {error.problem}", form) from None
    if value == {} and shape is _BASELINE:
        raise RequestError(f"{option}: is empty: with nothing to be held against, nothing could fail", form)
    try:
        return shape.validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(_shown(str(part)) for part in first["loc"] if part != "[key]")
        found = repr(first["input"])[:80]
        shown = f"{option}: {where}" if where else option
        raise RequestError(f"{shown}: {first['msg']} (got {found})", form) from None


def _shown(name: str) -> str:
    """A name nobody could mistake, nor a terminal obey."""
    return name if re.fullmatch(r"[\w.-]+", name) else repr(name)[:80]


def _bytes(option: str, text: str) -> bytes:
    if not text.startswith("@"):
        data = text.encode("utf-8", "surrogateescape")
    else:
        try:
            with Path(text[1:]).open("rb") as file:
                data = file.read(LARGEST_INPUT + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            remedy = "name a JSON file after the @, or give the JSON itself"
            raise RequestError(f"{option}: cannot read {text[1:]!r}: {reason}", remedy) from None
    if len(data) > LARGEST_INPUT:
        raise RequestError(f"{option}: has more than {LARGEST_INPUT} bytes", "give fewer metrics")
    return data


_METRICS: TypeAdapter[Metrics] = TypeAdapter(Metrics)
_BASELINE: TypeAdapter[Any] = TypeAdapter(Baseline)
_RATIO: TypeAdapter[float] = TypeAdapter(AllowedRatio)
_METRICS_FORM = """give it as '{"throughput_rows_per_second": 95000}', or as @FILE; numbers ≥ 0, no strings"""
_BASELINE_FORM = (
    """give it as '{"throughput_rows_per_second": {"value": 100000, "direction": "higher"}}', or as @FILE; """
    "direction is higher or lower (is better)"
)
