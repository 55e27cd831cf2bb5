"""What an engine remembers between two loads: gone, damaged, or that of an earlier round.

Purpose, method and criterion of each scenario, in full, are data (``catalog/data/scenarios/recovery.yaml``).
An engine that keeps nothing in its working folder has nothing to be damaged: inapplicable, as was looked up.
"""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.state import StateCopy, StateCorrupt, StateLost, StateStale
from certification_pipeline.harness.nemesis import RESULT, failed_as
from certification_pipeline.harness.scenarios.broken import WORKLOAD, broken, clean_round, next_round

NOTICED = (RESULT, *failed_as(FailureCategory.STATE))
"""It did without, or says that its state is not what it was."""


def lost(bench: Bench) -> None:
    """Lost state is never taken for "nothing to do".

    The working folder's state is deleted before a round. Passes when that load ends well with the source's
    rows, or with `state`, and the next one brings them.
    """
    clean_round(bench)
    _without_state(bench, StateLost())


def corrupt(bench: Bench) -> None:
    """Damaged state is recognised as damaged.

    Bytes in the working folder's files are flipped, and in a later round its largest file is cut. Passes when
    each such load ends well with the source's rows, or with `state`, and a pipeline that starts afresh brings
    them.
    """
    clean_round(bench)
    _without_state(bench, StateCorrupt("flip"))
    next_round(bench)
    _without_state(bench, StateCorrupt("truncate"))


def stale(bench: Bench) -> None:
    """The state of an earlier round is safe to go on from, or is noticed.

    The working folder's state is put back to the round before. Passes when that load ends well with the
    source's rows, or with `state`, and a pipeline that starts afresh brings them.
    """
    bench.seed(WORKLOAD)
    bench.load_and_judge()
    copy = StateCopy.take(bench.state_dir)
    bench.change()
    bench.load_and_judge("a clean round")
    bench.change()
    _without_state(bench, StateStale(copy))


def _without_state(bench: Bench, fault: Fault) -> None:
    outcome = broken(bench, fault, NOTICED)
    if outcome.end != RESULT:
        bench.lose_state()
    bench.nemesis.recover("started afresh" if outcome.end != RESULT else "idle rerun")
