"""Pairs of fresh processes in alternating order, each with raw COPY beside it.

Both processes of a pair are started and warmed up together, then measured one after the other, alone: the
machine's mood of the minute falls on both. Order and alternation take out what the first does to the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.benchmark_samples import MeasuredLoad, Role, Sample
from certification_pipeline.evidence.benchmark_verdict import wrong_load
from certification_pipeline.evidence.hardware import hardware
from certification_pipeline.families.benchmark.processes import Process, between
from certification_pipeline.families.benchmark.raw import copy_raw
from certification_pipeline.families.benchmark.track import Track
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.events import FamilyStep


class Interrupted(Exception):  # noqa: N818 - an end, not a defect
    """Asked to stop; what was there before is untouched."""


@dataclass
class Pairs:
    """Measures pair after pair; ``samples`` and ``versions`` (by role) grow."""

    track: Track
    sides: Mapping[Role, PreparedEngine]
    samples: list[Sample] = field(default_factory=list)
    versions: dict[Role, str] = field(default_factory=dict)

    def run(self, undecided: Callable[[Sequence[Sample]], bool]) -> None:
        """Until every gated metric is decided, a load is wrong, or the cap is reached.

        Raises :class:`Interrupted`.
        """
        asked = self.track.asked
        stop, pair = asked.pairs, 0
        while pair < stop:
            self._tell(f"pair {pair + 1} of {stop}")
            made = self._pair(pair)
            self.samples += made
            if any(wrong_load(sample) for sample in made):
                return  # whatever was faster: these are not the rows
            pair += 1
            if pair == stop < asked.max_pairs and undecided(self.samples):
                stop = min(stop + asked.step, asked.max_pairs)
                self._tell(f"still open after {pair} pairs: up to {stop}")

    def _pair(self, pair: int) -> list[Sample]:
        track = self.track
        processes = [Process(track, pair, role, self.sides[role]) for role in self._order(pair)]
        with ThreadPoolExecutor(max_workers=len(processes)) as together:
            try:
                list(together.map(Process.warm_up, processes))
                for process in processes:
                    self._stop_if_asked(pair)
                    process.measure()
                raw = raw_sample(track, pair, len(processes))
                ending = together.map(Process.close, processes)
                for process in processes:
                    process.look()
                list(ending)
            finally:
                for process in processes:
                    process.close()
                track.clean()
        self.versions.update({p.role: p.version for p in processes if p.version is not None})
        return [*(process.sample(at) for at, process in enumerate(processes)), raw]

    def _order(self, pair: int) -> Iterator[Role]:
        """In turns; the seed says who begins."""
        first = (pair + self.track.bench.station.planned.seed) % 2
        return iter((Role.BASELINE, Role.CONTENDER) if first else (Role.CONTENDER, Role.BASELINE))

    def _stop_if_asked(self, pair: int) -> None:
        if self.track.work.shop.cancel.is_set():
            raise Interrupted(f"interrupted in pair {pair + 1}: nothing was written")

    def _tell(self, text: str) -> None:
        self.track.work.shop.on_event(FamilyStep(self.track.work.engine, Family.BENCHMARK, text))


def raw_sample(track: Track, pair: int, position: int) -> Sample:
    """Copy the rows as plainly as can be, as often as the engines load them."""
    bench, loads, rows, size = track.bench, [], 0, 0
    sink = bench.station.sink_dsn if track.asked.sink == "postgres" else None
    server = track.server_cpu()
    for _ in range(track.asked.loads):
        rows, size, wall, cpu = copy_raw(
            bench.station.source_dsn,
            bench.transactional_source.qualified_name,
            track.raw_columns,
            sink,
            track.folder,
        )
        before, server = server, track.server_cpu()
        loads.append(
            MeasuredLoad(
                wall_seconds=round(wall, 6),
                client_cpu_seconds=round(cpu, 6),
                server_cpu_seconds=between(before, server),
                peak_memory_bytes=None,
                claimed_peak_memory_bytes=None,
            )
        )
    return Sample(
        pair=pair,
        position=position,
        role=Role.RAW,
        artifact_digest="",
        hardware_key=hardware().key,
        loads=tuple(loads),
        rows_expected=bench.workload.rows,
        rows_found=rows,
        bytes_moved=size,
    )
