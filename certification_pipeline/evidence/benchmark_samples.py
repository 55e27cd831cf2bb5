"""What a measured benchmark saw: every load of every process, and what came of comparing them.

The samples are facts that only a rerun could disprove; everything else here is recomputed by the gates.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.cell import ServiceUse
from certification_pipeline.evidence.hardware import Hardware

Seconds = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=0)]

ARTEFACT = "benchmark_artefact.zip"
"""Beside the artifact: what the contender was, so that a later release can run it again as its baseline."""


class Role(StrEnum):
    """Which side a sample is of. Raw: the plainest COPY that moves the same rows, in the same minute."""

    BASELINE = "baseline"
    CONTENDER = "contender"
    RAW = "raw"


class Metric(StrEnum):
    """What is compared. A sample's figure is made of its loads by the gates."""

    CPU = "cpu_seconds"
    """Client and server; the client alone where the server is not ours to look at."""
    CLIENT_CPU = "client_cpu_seconds"
    SERVER_CPU = "server_cpu_seconds"
    WALL = "wall_seconds"
    RATE = "rows_per_second"
    MEMORY = "peak_memory_bytes"


class MeasuredLoad(Model):
    """One load in a warm process. ``None``: not to be had here."""

    wall_seconds: Seconds
    client_cpu_seconds: Seconds | None = Field(description="user and system, of the driver and its children")
    server_cpu_seconds: Seconds | None = Field(
        description="user and system, of all processes of the database server; in steps of 10 ms"
    )
    peak_memory_bytes: Count | None = Field(description="of the driver process, as the kernel says")
    claimed_peak_memory_bytes: Count | None = Field(description="as the engine says")


class Sample(Model):
    """One fresh process: a warm-up that is thrown away, then ``loads``."""

    pair: Count
    position: Count = Field(description="in its pair: 0 ran first")
    role: Role
    artifact_digest: str = Field(description="of the engine that ran; empty for raw")
    hardware_key: str
    loads: tuple[MeasuredLoad, ...]
    rows_expected: Count
    rows_found: Count | None = Field(description="as the oracle counted in the sink after the last load")
    bytes_moved: Count | None = Field(None, description="of one load; raw only: binary COPY")
    problem: str | None = Field(None, description="a load that failed, or rows that are not right")


class Side(Model):
    """One artefact that was run."""

    engine: str
    version: str
    artifact_digest: str


class BaselineKind(StrEnum):
    """Where the baseline comes from."""

    GIVEN = "given"
    """``--baseline``."""
    PINNED = "pinned"
    """What was pinned in the evidence store when a release was published."""
    SELF = "self"
    """The subject's own clean artefact: a first release has nothing to regress from."""


class BaselineSide(Side):
    """What the contender is held against; rerun beside it, never a stored figure."""

    kind: BaselineKind
    sha256: Digest | None = Field(description="of the pinned or given file")
    release_id: str | None = Field(description="the release it was pinned by")


class Setup(Model):
    """What was asked for. All samples share it."""

    source: str
    sink: str
    strategy: Strategy
    workload: str
    rows: Count
    seed: Count
    loads_per_process: Annotated[int, Field(ge=1)]
    pairs: Annotated[int, Field(ge=1, description="at least; a verdict is not looked for earlier")]
    max_pairs: Annotated[int, Field(ge=1)]
    step: Annotated[int, Field(ge=1, description="pairs added while a gated metric is inconclusive")]
    gated: tuple[Metric, ...] = Field(min_length=1)
    raw_path: str = Field(description="what the raw samples did")

    @property
    def route_id(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"


class Measurement(Model):
    """All that was seen."""

    setup: Setup
    hardware: Hardware
    services: tuple[ServiceUse, ...]
    contender: Side
    baseline: BaselineSide
    samples: tuple[Sample, ...]
    artefact_sha256: Digest | None = Field(
        description=f"of {ARTEFACT}; none when the contender cannot be run again from files"
    )


class Comparison(Model):
    """One metric over all pairs. ``ratio``: contender over baseline; above 1 is worse, but for rates."""

    metric: Metric
    gated: bool
    pairs: int
    contender: float | None = Field(description="median over the pairs")
    baseline: float | None = Field(description="median over the pairs")
    raw: float | None = Field(description="median of the raw samples")
    to_raw: float | None = Field(description="contender over raw: median over the pairs")
    ratio: float | None = Field(description="Hodges-Lehmann estimate over the paired logarithms")
    lower: float | None = Field(description="one-sided 95 % bound of the ratio")
    upper: float | None = Field(description="one-sided 95 % bound of the ratio")
    allowed: float = Field(description="the worst ratio that passes")
    outcome: Outcome

    @property
    def bounds(self) -> str | None:
        """``0.908 to 1.063``; None without a ratio."""
        return None if self.lower is None or self.upper is None else f"{self.lower:.3f} to {self.upper:.3f}"

    @property
    def verdict(self) -> str:
        """Its outcome; ``advisory`` where no gate asks for it."""
        return self.outcome.value if self.gated else "advisory"


class FalseAlarms(Model):
    """What the same decision says about the same artefact run twice: signs of its differences flipped."""

    metric: Metric
    basis: Literal["pairs of this run", "successive baseline processes"]
    pairs: int
    trials: int
    false_alarms: int
    inconclusive: int
    rate: float
    upper_bound: float = Field(description="one-sided 95 % bound of the rate over those trials")
