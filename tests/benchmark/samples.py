"""Measurements as they might have been seen, made of a few numbers."""

from __future__ import annotations

import random
from typing import Any

from certification_pipeline.catalog.vocabulary import Fidelity, Strategy
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_samples import (
    BaselineKind,
    BaselineSide,
    MeasuredLoad,
    Measurement,
    Metric,
    Role,
    Sample,
    Setup,
    Side,
)
from certification_pipeline.evidence.benchmark_verdict import measured_benchmark
from certification_pipeline.evidence.cell import ServiceUse
from certification_pipeline.evidence.hardware import Hardware
from tests.evidence.builders import PROFILE, RELEASE, SUBJECT, provenance

HARDWARE = Hardware(cpu="SomeVendor family 7", cores=2, memory_class_gib=16, platform="Linux-x86_64")
OLDER = "sha256:" + "b" * 64
LOADS = 2


def load(cpu: float, *, wall: float = 0.1, server: float | None = 0.03) -> MeasuredLoad:
    return MeasuredLoad(
        wall_seconds=wall,
        client_cpu_seconds=cpu,
        server_cpu_seconds=server,
        peak_memory_bytes=90_000_000,
        claimed_peak_memory_bytes=89_000_000,
    )


def sample(pair: int, role: Role, cpu: float, **changes: Any) -> Sample:
    digest = {Role.BASELINE: OLDER, Role.CONTENDER: SUBJECT.artifact_digest, Role.RAW: ""}[role]
    server = changes.pop("server", 0.03)
    fields: dict[str, Any] = {
        "pair": pair,
        "position": 2 if role is Role.RAW else (pair + (role is Role.CONTENDER)) % 2,
        "role": role,
        "artifact_digest": digest,
        "hardware_key": HARDWARE.key,
        "loads": (load(cpu * 1.01, server=server), load(cpu, server=server)),
        "rows_expected": 1000,
        "rows_found": 1000,
        "bytes_moved": 400_000 if role is Role.RAW else None,
    }
    return Sample(**{**fields, **changes})


def setup(**changes: Any) -> Setup:
    fields: dict[str, Any] = {
        "source": "postgres",
        "sink": "postgres",
        "strategy": Strategy.FULL_REFRESH,
        "workload": "standard",
        "rows": 1000,
        "seed": 1,
        "loads_per_process": LOADS,
        "pairs": 10,
        "max_pairs": 20,
        "step": 5,
        "gated": (Metric.CPU,),
        "raw_path": "binary COPY",
    }
    return Setup(**{**fields, **changes})


def measurement(
    slower: float = 1.0, *, pairs: int = 10, noise: float = 0.03, seed: int = 1, **changes: Any
) -> Measurement:
    """The contender takes ``slower`` times the CPU of the baseline, each with its own noise."""
    chance = random.Random(seed)
    samples: list[Sample] = []
    for pair in range(pairs):
        base, other = (0.1 * (1 + chance.gauss(0, noise)) for _ in range(2))
        samples += [
            sample(pair, Role.BASELINE, base, server=0.03),
            sample(pair, Role.CONTENDER, (other + 0.03) * slower - 0.03, server=0.03),
            sample(pair, Role.RAW, 0.05),
        ]
    fields: dict[str, Any] = {
        "setup": setup(),
        "hardware": HARDWARE,
        "services": (
            ServiceUse(
                system="postgres",
                role="source",
                provider="pgserver-wheel",
                fidelity=Fidelity.REAL,
                version="18.4",
            ),
        ),
        "contender": Side(
            engine=SUBJECT.engine, version=SUBJECT.version, artifact_digest=SUBJECT.artifact_digest
        ),
        "baseline": BaselineSide(
            engine=SUBJECT.engine,
            version="0.0.9",
            artifact_digest=OLDER,
            kind=BaselineKind.PINNED,
            sha256=OLDER,
            release_id="earlier",
        ),
        "samples": tuple(samples),
        "artefact_sha256": None,
    }
    return Measurement(**{**fields, **changes})


def judged(found: Measurement, ratio: float = 0.1, minutes: float = 50) -> BenchmarkBaseline:
    return measured_benchmark(
        found,
        ratio,
        release_id=RELEASE,
        subject=SUBJECT,
        profile=PROFILE,
        provenance=provenance(minutes),
    )


def words(made: BenchmarkBaseline) -> list[str]:
    return [blocker.code.removeprefix("benchmark_baseline.") for blocker in made.blockers]
