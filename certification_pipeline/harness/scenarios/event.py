"""Events that come later than their time says: what becomes of them, and whether somebody counts them."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import LateRows
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.session import LoadOutcome
from certification_pipeline.harness.workload.lifecycle import Category

LOOKBACK_SECONDS = 15 * 60
"""Between the two kinds of late rows of a workload: ten minutes behind, and three days."""
ANY_LATENESS_SECONDS = 10 * 365 * 86_400
NOT_REPORTED = "not reported"

_LATE = (Category.INSERT_LATE, Category.UPDATE_LATE)
_TOO_LATE = (Category.INSERT_TOO_LATE, Category.UPDATE_TOO_LATE)


def late(bench: Bench) -> None:
    """Rows arrive behind the high-water mark, within and beyond the lateness that is asked for."""
    policy = _declare_lateness(bench)
    bench.seed("late")
    bench.load_and_judge()
    for remark in ("late rows", "late rows again"):
        bench.change()
        outcome = bench.load_and_judge(remark)
        _check_count(bench, outcome, policy)
    bench.load_and_judge("idle rerun")


def out_of_order(bench: Bench) -> None:
    """Most rows arrive after rows with a later time, all within the lateness; round after round."""
    policy = _declare_lateness(bench)
    bench.seed("out_of_order")
    bench.load_and_judge()
    while bench.applied < bench.workload.changes:
        bench.change()
        outcome = bench.load_and_judge("rows out of order")
        _check_count(bench, outcome, policy)
    bench.load_and_judge("idle rerun")


def _declare_lateness(bench: Bench) -> LateRows:
    """Ask for a lookback where the engine knows one, and tell the judge what is declared."""
    policy = bench.station.claim.late
    if policy is None:
        raise LookupError(f"{bench.key.engine} declares nothing about late rows under {bench.strategy}")
    if policy is LateRows.WITHIN_LOOKBACK:
        bench.options = bench.options.model_copy(update={"lookback_seconds": LOOKBACK_SECONDS})
    elif policy is LateRows.TAKEN:
        bench.lookback_judged = ANY_LATENESS_SECONDS
    return policy


def _check_count(bench: Bench, outcome: LoadOutcome, policy: LateRows) -> None:
    """Rows that are left out are counted, or it is on record that they are not."""
    left_out = {
        LateRows.TAKEN: (),
        LateRows.WITHIN_LOOKBACK: _TOO_LATE,
        LateRows.DROPPED: (*_LATE, *_TOO_LATE),
    }[policy]
    keys = bench.workload.change(bench.applied).keys
    count = sum(keys[category].num_rows for category in left_out if category in keys)
    claimed = outcome.record.late_rows if outcome.record else None
    bench.record_check(
        CheckJudgement(
            step=f"load {len(bench.loads)}",
            name="late_rows",
            expected=[count, NOT_REPORTED],
            observed=NOT_REPORTED if claimed is None else claimed,
            comparison="one_of",
        )
    )
