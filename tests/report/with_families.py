"""A small release on disk whose plan holds other families than the matrix, decided on by the real gates."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.benchmark_request import benchmark_request
from certification_pipeline.gates.decide import decide, write_benchmark
from certification_pipeline.report.families import FamilyView
from certification_pipeline.report.html import render_html, write_html
from certification_pipeline.report.loading import load_release
from certification_pipeline.report.release import ReleaseView
from tests.evidence.builders import RELEASE
from tests.gates.families import planned
from tests.report.sample import make_catalog

BASELINE = '{"cpu_seconds": {"value": 10, "direction": "lower"}}'


def certified(
    root: Path, families: Collection[Family] = (Family.BENCHMARK,), seconds: float | None = 10.5
) -> SubjectDir:
    """``seconds`` are given to the benchmark; ``None``: it is not made."""
    directory = planned(root, families)
    if seconds is not None:
        write_benchmark(directory, "run-1", benchmark_request(f'{{"cpu_seconds": {seconds}}}', BASELINE, 0.1))
    decide(directory, "run-1")
    return directory


def loaded(root: Path) -> ReleaseView:
    """As the CLI loads it."""
    return load_release(EvidenceStore(root), RELEASE)


def family(release: ReleaseView, name: str) -> FamilyView:
    (found,) = (view for subject in release.subjects for view in subject.families if view.name == name)
    return found


def page(release: ReleaseView, links: str = "") -> str:
    return render_html(release, make_catalog(), links)


def written(root: Path, path: Path) -> str:
    write_html(loaded(root), make_catalog(), path)
    return path.read_text(encoding="utf-8")


def view_of(name: str = "benchmark", text: str = "x", step: str = "certify run") -> FamilyView:
    """One that failed for a reason of the given text."""
    blocker = Blocker(code=f"{name}.{text}", message=text, next_step=step)
    return FamilyView(name, name, f"{name}.json", Outcome.FAILED, True, (blocker,))
