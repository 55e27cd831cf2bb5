"""One fresh process of one artefact: started and warmed up, measured, looked at by the oracle, ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from certification_pipeline.evidence.benchmark_samples import MeasuredLoad, Role, Sample
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.evidence.hardware import hardware
from certification_pipeline.families.benchmark.track import Track
from certification_pipeline.harness.cpu import peak_memory_bytes, tree_cpu_seconds
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.harness.engines.session import EngineError, EngineSession, LoadOutcome
from certification_pipeline.harness.oracle.oracle import History, Semantics, SinkView
from certification_pipeline.harness.shop import sink_dsn

_DRIVER_SECONDS = 120.0
_SECONDS_PER_MILLION_ROWS = 600.0


@dataclass
class Process:
    """Ask in this order: :meth:`warm_up`, :meth:`measure`, :meth:`look`, :meth:`close`.

    What goes wrong is kept as ``problem``; the steps after it do nothing.
    """

    track: Track
    pair: int
    role: Role
    prepared: PreparedEngine
    problem: str | None = None
    version: str | None = None
    loads: list[MeasuredLoad] = field(default_factory=list)
    _found: RowJudgement | None = None
    _session: EngineSession | None = None

    def warm_up(self) -> None:
        """Start it, ask who it is, and have it load once: imports and caches are nobody's speed."""
        shop, engine = self.track.work.shop, self.track.work.engine
        self._folder.mkdir()
        try:
            self._session = EngineSession(
                self.prepared.command,
                env=self.prepared.env,
                cwd=self._folder,
                log_path=self._folder / f"{engine}.log",
                redactor=shop.redactor,
                guardian=shop.guardian,
            )
            self.version = self._session.describe(_DRIVER_SECONDS).version
        except EngineError as error:
            self.problem = str(error)
            return
        self._load(0)

    def measure(self) -> None:
        """The loads that count. Nothing else may run meanwhile."""
        server = self.track.server_cpu()
        for number in range(1, self.track.asked.loads + 1):
            if self.problem is not None or self._session is None:
                return
            pid = self._session.pid
            client = tree_cpu_seconds(pid)
            outcome = self._load(number)
            spent = between(client, tree_cpu_seconds(pid))
            peak = peak_memory_bytes(pid)
            # Each reading ends one load and begins the next: a backend that ends late is in one of them.
            before, server = server, self.track.server_cpu()
            if outcome is None or outcome.record is None:
                return
            self.loads.append(
                MeasuredLoad(
                    wall_seconds=round(outcome.seconds, 6),
                    client_cpu_seconds=spent,
                    server_cpu_seconds=between(before, server),
                    peak_memory_bytes=peak,
                    claimed_peak_memory_bytes=outcome.record.peak_memory_bytes,
                )
            )

    def look(self) -> None:
        """Have the oracle judge what the last load left: the fastest load is the one that loads nothing."""
        if self.problem is not None:
            return
        bench, station = self.track.bench, self.track.bench.station
        semantics = Semantics(
            strategy=bench.strategy,
            options=bench.options,
            propagates_deletes=station.claim.propagates_deletes,
            propagates_updates=station.claim.propagates_updates,
            scd2_columns=station.engine.scd2_columns,
            added_columns=station.engine.added_columns,
        )
        history = History(workload=bench.workload, loads=(0,))
        self._found = station.oracle.judge(f"pair {self.pair}, {self.role}", history, semantics, self._sink())
        self.problem = _said(self._found)

    def close(self) -> None:
        """End it; idempotent."""
        if self._session is not None:
            self._session.close()

    def sample(self, position: int) -> Sample:
        """What was seen."""
        found = self._found
        return Sample(
            pair=self.pair,
            position=position,
            role=self.role,
            artifact_digest=self.prepared.artifact_digest,
            hardware_key=hardware().key,
            loads=tuple(self.loads),
            rows_expected=found.expected.rows if found else self.track.bench.workload.rows,
            rows_found=found.actual.rows if found else None,
            problem=self.problem,
        )

    # --- one load ---------------------------------------------------------------------------------

    def _load(self, number: int) -> LoadOutcome | None:
        assert self._session is not None
        rows = self.track.bench.workload.rows
        try:
            outcome = self._session.load(
                self._request(number), timeout=_DRIVER_SECONDS + rows / 1e6 * _SECONDS_PER_MILLION_ROWS
            )
        except EngineError as error:
            self.problem = str(error)
            return None
        if outcome.ended != "result" or outcome.record is None:
            category = f" {outcome.category.value}" if outcome.category else ""
            said = f"{outcome.ended}{category}: {outcome.message}"
            self.problem = f"load {number + 1} of {self.track.asked.loads + 1}: {said}"[:500]
        return outcome

    def _request(self, number: int) -> Load:
        """An initial load: a table and a state of its own each time, so that all do the same work."""
        state = self._folder / f"state-{number}"
        state.mkdir()
        asked, view = self.track.bench.request(), self._sink(number)
        sink = asked.sink.model_copy(
            update={
                "dsn": view.dsn,
                "namespace": view.namespace if asked.sink.namespace else "",
                "name": view.name,
            }
        )
        return asked.model_copy(update={"run_id": str(uuid4()), "sink": sink, "state_dir": str(state)})

    def _sink(self, number: int | None = None) -> SinkView:
        """The target of a load, the last by default; both sides have a database file of their own."""
        track = self.track
        view = track.bench.sink_view()
        namespace = f"{track.bench.station.namespace}_{self.role}"
        return replace(
            view,
            dsn=sink_dsn(track.work.shop.services[track.asked.sink], namespace),
            namespace=namespace if view.namespace else "",
            name=f"{view.name}_{track.asked.loads if number is None else number}",
        )

    @property
    def _folder(self) -> Path:
        return self.track.folder / f"{self.pair}-{self.role}"


def between(before: float | None, after: float | None) -> float | None:
    """The difference of two readings; ``None`` when one is missing."""
    return None if before is None or after is None else round(max(0.0, after - before), 6)


def _said(found: RowJudgement) -> str | None:
    """What is wrong with the rows, in words."""
    if found.remark:
        return found.remark[:500]
    if wrong := [f"{count} {anomaly.value}" for anomaly, count in found.anomalies.items() if count]:
        return f"the oracle found rows wrong: {', '.join(wrong)}"
    return None if found.expected == found.actual else "the oracle's fingerprints of both sides differ"
