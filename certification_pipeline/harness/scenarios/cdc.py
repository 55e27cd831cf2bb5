"""Change data capture where it is hard: what the log holds, what it does not hold, and when it is gone.

The model knows change rounds; a source is disturbed by doing a round in an unusual manner
(``workload/manners.py``), so that what must be in the sink stays known.
"""

from __future__ import annotations

from collections.abc import Sequence

from certification_pipeline.catalog.vocabulary import (
    DriftBehaviour,
    DriftKind,
    FailureCategory,
    OnPositionLost,
    OnTruncate,
    Side,
)
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.session import LoadOutcome
from certification_pipeline.harness.faults.commits import CommitRecorder, KillAfterCommit, KillBeforeCommit
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.source import SlotDropped, WritesDuringLoad
from certification_pipeline.harness.nemesis import ANY_END, RESULT, failed_as
from certification_pipeline.harness.workload.manners import Manner

SMALL_BATCHES = 16
"""Rows: a change round of the smallest workload does not fit into one, nor do those of one transaction."""
_WRITTEN_DURING_THE_SNAPSHOT = 5
"""Change rounds at most; what is left of the workload's eight comes later."""


def snapshot_handoff(bench: Bench) -> None:
    """Somebody writes while the first load takes its snapshot; the next load has what that one had not."""
    bench.seed("steady")
    changes = [bench.workload.change(n) for n in range(1, _WRITTEN_DURING_THE_SNAPSHOT + 1)]
    writes = WritesDuringLoad(bench.transactional_source, changes)
    with bench.station.quiet, bench.nemesis.disrupt(writes):
        bench.load()
    bench.applied = writes.committed
    bench.judge_as_of(range(bench.applied, -1, -1), "somebody wrote meanwhile")
    bench.load_and_judge("what was written meanwhile")
    bench.change()
    bench.load_and_judge("change round")


def same_position_crash(bench: Bench) -> None:
    """All changes of a transaction have one position: the load dies amid writing them, and goes on."""
    bench.options = bench.options.model_copy(update={"batch_rows": SMALL_BATCHES})
    bench.nemesis.wire(Side.SINK)
    _first_load(bench)
    bench.change_as(Manner.PLAIN)
    recorder = CommitRecorder([Side.SINK])
    with bench.nemesis.disrupt(recorder):
        bench.load_and_judge("its commits are listed")
    for fault in _crashes(recorder.points):
        bench.change_as(Manner.PLAIN)
        with bench.nemesis.disrupt(fault):
            outcome = bench.load(ends=ANY_END)
            if outcome.end == RESULT:
                bench.judge_delivery("it went on by itself")
        bench.nemesis.recover(f"after {fault.name}")
    bench.load_and_judge("idle rerun")


def _crashes(points: Sequence[CrashPoint]) -> list[Fault]:
    """Before and after the first commit, and after the middle one where there are several."""
    first, middle = points[0], points[len(points) // 2]
    later: list[Fault] = [KillAfterCommit(middle)] if middle != first else []
    return [KillBeforeCommit(first), KillAfterCommit(first), *later]


def pk_update(bench: Bench) -> None:
    """Rows change their keys, take those of others and exchange them, in transactions of several batches."""
    bench.options = bench.options.model_copy(update={"batch_rows": SMALL_BATCHES})
    _first_load(bench)
    bench.change_as(Manner.KEYS_MOVE)
    bench.load_and_judge("keys moved")
    bench.change_as(Manner.KEYS_MOVE)
    bench.load_and_judge("keys moved again")
    bench.load_and_judge("idle rerun")


def delete_reinsert(bench: Bench) -> None:
    """Rows are deleted and inserted again: in one transaction, in two, and with a load in between."""
    _first_load(bench)
    bench.change_as(Manner.DELETE_AND_INSERT)
    bench.load_and_judge("deleted and inserted in one transaction")
    bench.change_as(Manner.DELETE_COMMIT_INSERT)
    bench.load_and_judge("deleted and inserted in two")
    # The workload's own: keys that round 2 deleted come back with round 3.
    bench.change()
    bench.load_and_judge("inserted again after a load")
    bench.load_and_judge("idle rerun")


def truncate(bench: Bench) -> None:
    """The table is truncated and filled again; no row is deleted by itself."""
    _first_load(bench)
    bench.change_as(Manner.TRUNCATE)
    if bench.station.claim.truncates is OnTruncate.STOPS:
        ends = failed_as(FailureCategory.STATE, FailureCategory.UNSUPPORTED, FailureCategory.SCHEMA)
        bench.load(ends=ends)
        bench.judge("the sink is as before the refused load")
        return
    bench.load_and_judge("truncated and filled again")
    bench.change()
    bench.load_and_judge("change round")


def slot_lost(bench: Bench) -> None:
    """The replication slot is dropped between two loads, and with it the log of a change round."""
    _first_load(bench)
    bench.change()
    outcome = _load_without_slot(bench)
    stops = bench.station.claim.position_lost is OnPositionLost.STOPS
    wanted = f"error: {FailureCategory.STATE}" if stops else RESULT
    bench.check(f"load {len(bench.loads)}", "load_ended", wanted, outcome.end)
    bench.judge("the slot is gone")
    if outcome.end != RESULT:
        _begin_anew(bench)


def resnapshot(bench: Bench) -> None:
    """After the slot was lost and the table read anew, the log is followed again."""
    _first_load(bench)
    bench.change()
    if _load_without_slot(bench).end != RESULT:
        _begin_anew(bench)
    else:
        bench.judge("the slot is gone")
    bench.change()
    bench.load_and_judge("change round, by the log again")
    bench.load_and_judge("idle rerun")


def txn_abort(bench: Bench) -> None:
    """Transactions are rolled back, to a savepoint and as a whole, before a load and during one."""
    _first_load(bench)
    source, workload = bench.transactional_source, bench.workload
    with source.open_transaction() as transaction:
        transaction.apply(workload.change(1))
        transaction.rollback()
    bench.aborted = (1,)
    bench.load_and_judge("a transaction rolled back")
    with source.open_transaction() as transaction:
        transaction.execute("SAVEPOINT kept")
        transaction.apply(workload.change(1))
        transaction.execute("RELEASE SAVEPOINT kept")
        transaction.execute("SAVEPOINT undone")
        transaction.apply(workload.change(2))
        transaction.execute("ROLLBACK TO SAVEPOINT undone")
        transaction.commit()
    bench.applied, bench.aborted = 1, (2,)
    bench.load_and_judge("a savepoint rolled back")
    with bench.station.quiet, source.open_transaction() as transaction:
        transaction.apply(workload.change(2))
        # A commit behind it: the log is durable up to here, and says nothing of how this one will end.
        bench.touch()
        bench.load_and_judge("a transaction is in flight")
        transaction.rollback()
    bench.load_and_judge("it rolled back")


def ddl_mid_stream(bench: Bench) -> None:
    """A column is added between two changes of the same rows, which one load finds in the log."""
    declared = bench.declared_drift(DriftKind.ADD)
    bench.seed("drift_add")
    bench.load_and_judge()
    bench.change_as(Manner.TWO_LAYOUTS)
    if declared is DriftBehaviour.STOPS:
        bench.load(expect=FailureCategory.SCHEMA)
        bench.judge("the sink is as before the refused load")
        return
    bench.drift = declared
    bench.load_and_judge(f"a column was added amid the changes, declared: {declared}")
    bench.change()
    bench.load_and_judge("change round")


def _first_load(bench: Bench) -> None:
    bench.seed("steady")
    bench.load_and_judge()


def _load_without_slot(bench: Bench) -> LoadOutcome:
    with bench.nemesis.disrupt(SlotDropped(bench.logged_source, bench.slots)):
        return bench.load(ends=ANY_END)


def _begin_anew(bench: Bench) -> None:
    """As catalogue and vendors say (``OnPositionLost.STOPS``): forget the position, take a snapshot."""
    bench.lose_state()
    bench.load_and_judge("begun anew, the working folder emptied")
