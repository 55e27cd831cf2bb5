"""An overwrite under a reader's eyes: undisturbed, and with the engine killed at each boundary."""

from __future__ import annotations

from time import monotonic

from certification_pipeline.catalog.vocabulary import Anomaly, Disturbable
from certification_pipeline.evidence.cell import RowJudgement, RowSample
from certification_pipeline.evidence.disruption import CrashLine, CrashPoint, CrashTrial, TrialKey
from certification_pipeline.evidence.trials import TrialVerdict
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.exploration.boundaries import fault_at, record
from certification_pipeline.harness.exploration.breaking import Broken, break_load, verdict
from certification_pipeline.harness.exploration.crash_points import prefix_of
from certification_pipeline.harness.exploration.reader import ConcurrentReader, Sight
from certification_pipeline.harness.exploration.tables import Tables, sides_with

_TRIES = 2
WATCHED = "watched overwrite, undisturbed: "


def partial_replace(bench: Bench) -> None:
    """A reader sees the old table or the new one, never a third; whatever happens to the engine."""
    with Tables(bench, sides_with(bench, Disturbable.COMMITS)) as tables:
        points = record(tables.changed()).points
        table = tables.changed()
        table.prefix = WATCHED
        reader = reader_of(table)
        with table.nemesis.disrupt(reader):
            table.load_and_judge("a reader beside it")
        table.judgements.append(_judged(f"{WATCHED}reading", reader))
        line = bench.crash_line = CrashLine(
            points=points, actions=("kill_before", "kill_after"), folders=("kept",)
        )
        planned = line.planned()
        for number, key in enumerate(planned, start=1):
            prefix = prefix_of(number, len(planned), key, line.point(key.point))
            trial = _trial(tables, key, line.point(key.point), prefix)
            line = bench.crash_line = line.model_copy(update={"trials": (*line.trials, trial)})


def reader_of(table: Bench) -> ConcurrentReader:
    """A reader of the table's sink."""
    spec = table.workload.spec
    assert spec.cursor is not None  # the workload's version column
    return ConcurrentReader(table.sink_view(), spec.primary_key[0], spec.cursor, monotonic)


def _trial(tables: Tables, key: TrialKey, point: CrashPoint, prefix: str) -> CrashTrial:
    broken = Broken(fired=False, ended="", reruns=0, recovered=False)
    for _ in range(_TRIES):
        table = tables.changed()
        reader = reader_of(table)
        with table.nemesis.disrupt(reader, must_fire=False, step=f"{prefix}reading"):
            broken = break_load(table, fault_at(point, key.action), prefix=prefix)
        watched = table.faults[-1].witness is not None
        if broken.fired and watched:
            table.judgements.append(_judged(f"{prefix}reading", reader))
        if verdict(table, prefix) is not TrialVerdict.SAFE:
            tables.leave()
        if broken.fired and watched:
            break
    return CrashTrial(**dict(key), step=prefix, ended=broken.ended, reruns=broken.reruns)


def _judged(step: str, reader: ConcurrentReader) -> RowJudgement:
    """What the reader saw beside the two states that were published."""
    after = reader.look()
    torn = reader.torn(after)
    published = f"{reader.before} (before), or {after} (after)"
    return RowJudgement(
        step=step,
        expected=after.state,
        actual=torn[0].sight.state if torn else after.state,
        anomalies={Anomaly.TORN: sum(one.times for one in torn)} if torn else {},
        samples=tuple(
            RowSample(
                anomaly=Anomaly.TORN,
                key={"read": f"{one.seconds:.3f} s after the load began", "times": str(one.times)},
                expected=published,
                actual=_told(one.sight),
            )
            for one in torn
        ),
    )


def _told(sight: Sight) -> str:
    return "an empty table" if sight.there and not sight.state.rows else str(sight)
