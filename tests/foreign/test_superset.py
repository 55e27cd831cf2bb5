"""Whoever reads dpone's artifacts finds every field in ours, and a real file of ours holds it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.foreign.dpone.decided import Suite
from certification_pipeline.evidence.foreign.dpone.models import BenchmarkLine, Dpone, MatrixReport
from certification_pipeline.evidence.foreign.dpone.superset import ELSEWHERE, PAIRS, field_paths, lacking
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.gates.benchmark_request import benchmark_request
from certification_pipeline.gates.decide import write_benchmark
from tests.evidence.builders import release
from tests.gates.benchmarks import BASELINE, METRICS

GREEN = Path(__file__).parents[1] / "gates/golden/green"
PAGE = Path(__file__).parents[2] / "docs/interoperability.md"


@pytest.mark.parametrize(("theirs", "ours"), PAIRS, ids=[theirs.__name__ for theirs, _ in PAIRS])
def test_ours_has_every_field_of_theirs(theirs: type[Dpone], ours: type[Artifact]) -> None:
    assert lacking(theirs, ours) == ()


def test_a_field_that_ours_has_not_is_seen() -> None:
    class More(Suite):
        graded: str
        items: list[BenchmarkLine]  # type: ignore[assignment]

    assert set(lacking(More, CertificationSuite)) >= {"graded", "items[].metric"}


def test_a_field_is_elsewhere_only_while_it_is_there() -> None:
    assert "results[].source" in lacking(MatrixReport, BenchmarkBaseline)
    for (theirs, path), (at, _) in ELSEWHERE.items():
        [ours] = [each for model, each in PAIRS if model is theirs]
        assert path in field_paths(theirs.model_json_schema())
        assert at in field_paths(ours.model_json_schema(mode="serialization"))


def test_the_page_tells_which_are_elsewhere() -> None:
    page = PAGE.read_text()
    for (_, path), (at, why) in ELSEWHERE.items():
        assert f"| `{path}` | `{at}` | {why} |" in page


@pytest.mark.parametrize(("theirs", "ours"), PAIRS, ids=[theirs.__name__ for theirs, _ in PAIRS])
def test_a_written_file_of_ours_holds_them(tmp_path: Path, theirs: type[Dpone], ours: type[Artifact]) -> None:
    folder = GREEN
    if ours is BenchmarkBaseline:  # the golden release has none
        directory, _ = release(tmp_path)
        write_benchmark(directory, "run-1", benchmark_request(METRICS, BASELINE, 0.1))
        folder = directory.path
    value = json.loads((folder / f"{ours.KIND}.json").read_text())
    moved = {at for model, at in ELSEWHERE if model is theirs}
    for wanted in field_paths(theirs.model_json_schema()) - moved:
        assert _holds(value, wanted), wanted


def _holds(value: Any, path: str) -> bool:
    """Whether every object on the way has the field; an empty list has nothing that could lack one."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]").removesuffix("{}")
    if name not in value:
        return False
    if not rest or value[name] is None:
        return True
    below = value[name] if head.endswith("[]") else [value[name]]
    return all(_holds(each, rest) for each in below)
