"""Two-phase commit: prepare, the coordinator dies, restart, resolve.

Whether the engine decided is known from outside: at the wire, by which of its statements the server has seen.
Resolving is separated from loading by a load that finds no source table: what is in the sink after that one
was brought there by resolving alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.catalog.vocabulary import FailureCategory, Side
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness import in_doubt
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.harness.faults.commits import CommitRecorder, KillAfterCommit, KillBeforeCommit
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.process import AtPhase, Kill
from certification_pipeline.harness.nemesis import KILLED
from certification_pipeline.harness.workload.source import TransactionalSource

PREPARE, COMMIT = "PREPARE TRANSACTION", "COMMIT PREPARED"


@dataclass(frozen=True)
class Trial:
    """One place to die at, and what a restart must make of it."""

    name: str
    kill: type[KillBeforeCommit | KillAfterCommit]
    at: str
    hangs: bool
    """Whether something is prepared and undecided at the sink when the engine is dead."""
    visible: bool | None
    """Whether the broken load's rows must be there after resolving; ``None``: all of them or none."""
    folder_lost: bool = False


TRIALS = (
    Trial("prepared, not decided", KillAfterCommit, PREPARE, hangs=True, visible=False),
    Trial("decided, not committed", KillBeforeCommit, COMMIT, hangs=True, visible=True),
    Trial("committed, not noted", KillAfterCommit, COMMIT, hangs=False, visible=True),
    # A decision that is lost with the folder cannot be asked for: both ends are right, but not a third.
    Trial("decided, folder lost", KillBeforeCommit, COMMIT, hangs=True, visible=None, folder_lost=True),
)
PHASES = ("prepare", "decide")
"""Where a load into files is killed: no wire shows there what was decided."""


def two_phase_commit(bench: Bench) -> None:
    """Killed between the phases at each place there is; each time resolved by the next start, by itself."""
    on_a_wire = "://" in bench.station.sink_dsn
    if on_a_wire:
        bench.nemesis.wire(Side.SINK)
    bench.seed("steady")
    bench.load_and_judge()
    if not on_a_wire:
        for phase in PHASES:
            _die(bench, Kill(AtPhase(phase)))
            _resolve(bench, f"killed at `{phase}`", visible=None)
        return
    points = _points(bench)
    for trial in TRIALS:
        _die(bench, trial.kill(points[trial.at]))
        hanging = _hanging(bench)
        bench.check(
            f"load {len(bench.loads)}, {trial.name}", "prepared at the sink", trial.hangs, bool(hanging)
        )
        if trial.folder_lost:
            bench.lose_state()
        _resolve(bench, trial.name, visible=trial.visible)


def _points(bench: Bench) -> dict[str, CrashPoint]:
    """Where a clean load prepares and where it commits; :class:`Halt` when it does neither."""
    bench.change()
    recorder = CommitRecorder([Side.SINK])
    with bench.nemesis.disrupt(recorder):
        bench.load_and_judge("its commits are recorded")
    found = {point.action: point for point in recorder.points}
    for action in (PREPARE, COMMIT):
        if not bench.check(
            f"load {len(bench.loads)}", action, "seen", "seen" if action in found else "not seen"
        ):
            raise Halt
    return found


def _die(bench: Bench, fault: Fault) -> None:
    bench.change()
    with bench.nemesis.disrupt(fault):
        bench.load(ends=(KILLED,))


def _resolve(bench: Bench, remark: str, *, visible: bool | None) -> None:
    """Start again for a load that cannot begin, and judge what resolving did; then load, and judge."""
    broken = bench.next_step()
    with _source_away(bench) as request:
        bench.load(request=request, expect=FailureCategory.NOT_FOUND, halt=False)
    clear = bench.check(broken, f"hanging after the restart, {remark}", [], list(_hanging(bench)))
    readable = bench.check(broken, f"readable by others, {remark}", True, _readable(bench))
    if not (clear and readable):
        raise Halt  # whoever judges would wait for the lock, too
    if visible is None:
        bench.judge_all_or_nothing(f"{remark}: resolved")
    else:
        if visible:
            bench.count_broken_load()
        bench.judge(f"{remark}: resolved")
    bench.nemesis.recover(f"{remark}: loaded again")


@contextmanager
def _source_away(bench: Bench) -> Iterator[Load]:
    """A request whose source is not there. In a database the table bears another name for as long, so that
    it is the same pipeline; a file cannot, and another one is asked for."""
    source, name = bench.source, bench.workload.table_name
    if not isinstance(source, TransactionalSource):
        yield bench.with_source(bench.request(), name="no_such_table")
        return
    there = source.qualified_name
    away = there.removesuffix(_quoted(name)) + _quoted(f"{name}_away")
    source.execute(f"ALTER TABLE {there} RENAME TO {_quoted(f'{name}_away')}")
    try:
        yield bench.request()
    finally:
        source.execute(f"ALTER TABLE {away} RENAME TO {_quoted(name)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _hanging(bench: Bench) -> tuple[str, ...]:
    station = bench.station
    sink = bench.sink_view()
    if "://" in station.sink_dsn:
        return in_doubt.prepared_in_postgres(sink.dsn, sink.namespace)
    return in_doubt.prepared_in_files(Path(sink.dsn, sink.namespace), station.engine.prepared_files)


def _readable(bench: Bench) -> bool:
    sink = bench.sink_view()
    return "://" not in sink.dsn or in_doubt.can_be_read(sink.dsn, sink.namespace, sink.name)
