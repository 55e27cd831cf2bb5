"""A real certification, small: the reference engine, one source, two sinks, two strategies, 120 rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.matrix import MatrixPairs, MatrixRule
from certification_pipeline.catalog.vocabulary import Family, Strategy
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.families.registry import PRODUCERS
from certification_pipeline.families.work import Producer, Work
from certification_pipeline.gates.benchmark_baseline import benchmark_baseline
from certification_pipeline.gates.benchmark_request import benchmark_request
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import RELEASE_TAG
from certification_pipeline.orchestration.resources import CertificationResource
from tests.gates.benchmarks import BASELINE, METRICS
from tests.seal import canary

ROUTES = (("postgres", "duckdb"), ("postgres", "sqlite"))
STRATEGIES = (Strategy.FULL_REFRESH, Strategy.SNAPSHOT_DIFF)
SCENARIOS = ("strategy.full_refresh", "strategy.snapshot_diff", "batch.empty")
SIZE = {"rows": 120, "seed": 7}


def produce(work: Work, metrics: str = METRICS) -> BenchmarkBaseline:
    """Stands for a family that costs nothing: an artifact which the suite can verify."""
    plan = work.plan
    request = benchmark_request(metrics, BASELINE, 0.1)
    made = benchmark_baseline(request, plan.release_id, plan.subject, plan.profile, stamp(work.run_id))
    return work.directory.write(made, markdown(made))


def with_benchmark(make: Callable[[Work], Decision]) -> dict[Family, Producer]:
    """The families of these tests: a benchmark made like that, and the real export of lineage."""
    return {
        Family.BENCHMARK: Producer(lambda plan: (), make),
        Family.OPENLINEAGE: PRODUCERS[Family.OPENLINEAGE],
    }


FAMILIES = with_benchmark(produce)


def small_catalog(pairs: Collection[tuple[str, str]] = ROUTES) -> Catalog:
    """The shipped catalogue, cut down to what a test has time for; what is left is untouched."""
    shipped = load_catalog()
    sources, sinks = (tuple(dict.fromkeys(systems)) for systems in zip(*pairs, strict=True))
    engine = shipped.engines["reference"]
    routes = tuple(
        route.model_copy(
            update={"strategies": {s: c for s, c in route.strategies.items() if s in STRATEGIES}}
        )
        for route in engine.routes
        if (route.source, route.sink) in pairs
    )
    profile = shipped.profiles["embedded"].model_copy(
        update={
            "systems": tuple(dict.fromkeys((*sources, *sinks))),
            "engines": ("reference",),
            "families": dict.fromkeys(FAMILIES, ("reference",)),
        }
    )
    return shipped.model_copy(
        update={
            "engines": {"reference": engine.model_copy(update={"routes": routes})},
            "profiles": {"embedded": profile},
            "scenarios": {name: shipped.scenarios[name] for name in SCENARIOS},
            "matrix": MatrixPairs(
                sources=sources, sinks=sinks, strategies={s: MatrixRule() for s in STRATEGIES}
            ),
        }
    )


def every_family() -> Catalog:
    """The shipped catalogue with every family made for every engine of the embedded profile."""
    shipped = load_catalog()
    profile = shipped.profiles["embedded"]
    families = {family: profile.engines for family in Family if family is not Family.MATRIX}
    embedded = profile.model_copy(update={"families": families})
    return shipped.model_copy(update={"profiles": {**shipped.profiles, "embedded": embedded}})


@contextmanager
def signing() -> Iterator[None]:
    """With the house's key or the test's own, whichever test comes first: unsigned entries are in the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CERTIFY_SIGNING_KEY", os.environ.get("CERTIFY_SIGNING_KEY", canary.PEM))
        yield


@dataclass
class House:
    """Dagster on a small catalogue, with its own history and evidence."""

    root: Path
    catalog: Catalog = field(default_factory=small_catalog)

    def __post_init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.resource = CertificationResource(evidence_dir=str(self.root / "evidence"), workers=1)
        self.defs = build_defs(self.resource, self.catalog)
        self.store = EvidenceStore(self.root / "evidence")

    def directory(self, release: str) -> SubjectDir:
        return self.store.release(release, "reference")

    def job(
        self, name: str, release: str | None = None, config: Mapping[str, object] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run a whole job, as a schedule or "Materialize all" would."""
        with signing():
            return self.defs.resolve_job_def(name).execute_in_process(
                instance=self.instance,
                tags={RELEASE_TAG: release} if release else {},
                run_config={"ops": {"plan": {"config": dict(config)}}} if config else None,
                raise_on_error=False,
            )

    def only(
        self,
        *assets: dg.AssetKey,
        checks: tuple[dg.AssetCheckKey, ...] = (),
        release: str,
        config: Mapping[str, object] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run some assets with their checks, or some checks alone, as a click in the UI does."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        if checks:
            job = job.get_subset(asset_selection=set(), asset_check_selection=set(checks))
        with signing():
            return job.execute_in_process(
                instance=self.instance,
                tags={RELEASE_TAG: release},
                asset_selection=list(assets) or None,
                run_config={"ops": {"plan": {"config": dict(config)}}} if config else None,
                raise_on_error=False,
            )

    def blockers(self, release: str) -> list[str]:
        """Why a release is not green, the reasons underneath included."""
        directory = self.directory(release)
        return [
            f"{blocker.code}: {blocker.message}"
            for path, model in (
                (directory.summary_path, ReleaseSummary),
                (directory.report_path, CertificationReport),
            )
            for blocker in directory.read(path, model).blockers
        ]

    def cells(self, release: str) -> dict[str, CellEvidence]:
        """Every cell's evidence by id."""
        directory = self.directory(release)
        return {
            path.stem: directory.read(path, CellEvidence)
            for path in sorted((directory.path / "cells").glob("*.json"))
        }


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Step → the message its page shows."""
    said = {}
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            said[event.step_key or ""] = described or (data.error.message if data.error else "")
    return said


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    # For this package's tests and no longer: others, in the same process, make the real families.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("certification_pipeline.pipeline.families.PRODUCERS", FAMILIES)
        yield made
    made.instance.dispose()


@pytest.fixture(scope="package")
def green(house: House) -> dg.ExecuteInProcessResult:
    """The release ``green``: the whole graph, the engine as it is."""
    result = house.job("full_certification", "green", SIZE)
    assert result.success, [failures(result), house.blockers("green")]
    return result


@pytest.fixture(scope="package")
def red(house: House) -> dg.ExecuteInProcessResult:
    """The release ``red``: the same, with a defect planted in the engine."""
    before = os.environ.get("CERTIFY_PLANTED_DEFECT")
    os.environ["CERTIFY_PLANTED_DEFECT"] = "ignore_deletes"
    try:
        return house.job("full_certification", "red", SIZE)
    finally:
        os.environ.pop("CERTIFY_PLANTED_DEFECT")
        if before is not None:
            os.environ["CERTIFY_PLANTED_DEFECT"] = before
