"""The benchmark as one of the families: measured, judged, written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_figures import undecided
from certification_pipeline.evidence.benchmark_samples import (
    ARTEFACT,
    BaselineSide,
    Measurement,
    Role,
    Sample,
    Setup,
    Side,
)
from certification_pipeline.evidence.benchmark_verdict import measured_benchmark
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.files import resolve_inside, write_atomically
from certification_pipeline.evidence.hardware import hardware
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.families.benchmark.asked import WORKLOAD, Asked
from certification_pipeline.families.benchmark.baseline import Chosen, choose
from certification_pipeline.families.benchmark.pairs import Pairs
from certification_pipeline.families.benchmark.raw import raw_path
from certification_pipeline.families.benchmark.track import open_track
from certification_pipeline.families.work import Producer, Work
from certification_pipeline.harness.engines.environment import prepare
from certification_pipeline.harness.engines.snapshot import snapshot


def benchmark() -> Producer:
    """The family's producer: what a profile's run measures."""

    def systems(plan: CertificationPlan) -> Collection[str]:
        return dict.fromkeys((Asked.source, Asked.sink))

    return Producer(systems=systems, produce=lambda work: measure(work, Asked()))


def measure(work: Work, asked: Asked) -> BenchmarkBaseline:
    """Measure, judge, write, and return what was written.

    Raises ``Interrupted`` when cancelled, ``AskedError`` for what cannot be measured, ``EngineUnavailable``
    when the baseline cannot be made ready, and ``EvidenceError`` when its pin is damaged.
    """
    shop, plan = work.shop, work.plan
    asked.check(shop.catalog, work.engine)
    artefact = _artefact(work)
    with open_track(work, asked) as track:
        baseline = choose(work, asked, track.folder / "baseline")
        sides = {Role.CONTENDER: shop.engines[work.engine], Role.BASELINE: baseline.prepared}
        pairs = Pairs(track, sides)

        def seen(samples: Sequence[Sample]) -> Measurement:
            return Measurement(
                setup=_setup(work, asked),
                hardware=hardware(),
                services=shop.services_of(track.bench.key),
                contender=Side(
                    engine=work.engine,
                    version=plan.subject.version,
                    artifact_digest=shop.engines[work.engine].artifact_digest,
                ),
                baseline=_baseline_side(work, baseline, pairs.versions),
                samples=tuple(samples),
                artefact_sha256=sha256(artefact) if artefact else None,
            )

        pairs.run(lambda samples: undecided(seen(samples), asked.ratio))
        measurement = seen(pairs.samples)
    made = measured_benchmark(
        measurement,
        asked.ratio,
        release_id=plan.release_id,
        subject=plan.subject,
        profile=plan.profile,
        provenance=stamp(work.run_id),
    )
    if artefact is not None:
        write_atomically(resolve_inside(work.directory.path, ARTEFACT), artefact)
    return work.directory.write(made, markdown(made))


def _setup(work: Work, asked: Asked) -> Setup:
    return Setup(
        source=asked.source,
        sink=asked.sink,
        strategy=asked.strategy,
        workload=WORKLOAD,
        rows=asked.rows,
        seed=work.plan.seed,
        loads_per_process=asked.loads,
        pairs=asked.pairs,
        max_pairs=asked.max_pairs,
        step=asked.step,
        gated=asked.gated,
        raw_path=raw_path(asked.sink),
    )


def _baseline_side(work: Work, chosen: Chosen, versions: Mapping[Role, str]) -> BaselineSide:
    return BaselineSide(
        engine=work.engine,
        version=versions.get(Role.BASELINE, "unknown"),
        artifact_digest=chosen.prepared.artifact_digest,
        kind=chosen.kind,
        sha256=chosen.sha256,
        release_id=chosen.release_id,
    )


def _artefact(work: Work) -> bytes | None:
    """The contender as a file; none of an engine with a planted defect, which nobody may measure against."""
    driver = work.shop.catalog.engine(work.engine).driver
    clean = prepare(work.engine, driver).artifact_digest == work.shop.engines[work.engine].artifact_digest
    return snapshot(work.engine, driver) if clean else None
