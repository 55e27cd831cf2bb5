"""Each planted defect turns exactly the right cells red, with a row to show where rows are wrong.

The sets below were thought out before the runs; where a run disagreed, the comment says who was right.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.evidence.cell import CellEvidence
from tests.pipeline.conftest import Run

pytestmark = pytest.mark.integration

LOST, STALE, CORRUPT, GHOST = (
    Anomaly.LOST,
    Anomaly.STALE,
    Anomaly.CORRUPT,
    Anomaly.RESURRECTED_DELETE,
)

# defect -> pattern of red cells (sink/strategy/scenario) -> what must be seen there and why; the first
# pattern that fits decides, `None` means green.
EXPECTED: dict[str, dict[str, tuple[Anomaly | str | None, str]]] = {
    "drop_last_batch": {
        # Right, and not thought of at first: PostgreSQL and DuckDB stage one binary stream, whose header is
        # in the only buffer an empty table has. Without it the load fails instead of losing rows.
        "postgres/*/batch.empty": ("load_ended", "the lost buffer holds the stream's header"),
        "*/*/batch.empty": (None, "there is no row to lose"),
        "*": (LOST, "every load stages through the writer that forgets its last buffer"),
    },
    "advance_state_before_load": {
        "*/incremental_*/strategy.*": (LOST, "rows between the old and the new position are never read"),
        "*/incremental_*/incr.cursor_ties": (LOST, "as above; rows at the new mark alone arrive"),
        "*/incremental_*/incr.null_cursor": (LOST, "rows with a cursor are passed by"),
        "*/incremental_*/schema.*": (LOST, "the drift's rows are passed by"),
        "*/incremental_*/idem.state_lost": (LOST, "the state that is kept with the rows is ahead of them"),
        "*/incremental_merge/obs.fields": (LOST, "its second load follows a change round"),
        "*/incremental_merge/obs.counts": (LOST, "as above"),
        "*/incremental_*/*": (None, "nothing changes between its loads, so there is nothing to pass by"),
        "*/xmin/strategy.xmin": (LOST, "changes before the new horizon are never read"),
        "*/cdc/strategy.cdc": (LOST, "the slot is moved over changes that were not read"),
        "*": (None, "no position is kept, or nothing changes between its loads"),
    },
    "lose_decimal_scale": {
        "*/*/batch.empty": (None, "no value has a scale"),
        "*/scd2/*": (CORRUPT, "versions are opened with cut values"),
        "*": (CORRUPT, "every workload has a decimal with more than two places"),
    },
    "ignore_deletes": {
        "*/snapshot_diff/strategy.*": (GHOST, "missing keys stay"),
        "*/cdc/strategy.*": (GHOST, "deletes of the log are not applied"),
        "*/scd2/strategy.*": (CORRUPT, "the versions of deleted keys are never closed"),
        "*": (None, "its strategy sees no deletes, or its workload has none"),
    },
    "truncate_before_stage": {
        "*/full_refresh/obs.taxonomy": (LOST, "only a load that fails after emptying the sink shows it"),
        # partition_replace reads a slice as `replace` does, so the defect empties its table, too: the
        # partition that vanished from the source is gone from the sink. `replace` gets all of its slice back.
        "*/partition_replace/strategy.*": (LOST, "partitions that are not in the extract are gone"),
        "*": (None, "the load that follows fills the sink again"),
    },
    "slow_load": {"*": (None, "every row is right; only a benchmark sees it")},
    "count_extracted_as_loaded": {
        "*/incremental_merge/obs.counts": ("loaded_rows", "rows at the mark are read again, not written"),
        "*": (None, "no other scenario asks, or both counts are the same there"),
    },
}


def expected(defect: str, cell: str) -> Anomaly | str | None:
    patterns = EXPECTED[defect]
    return next(seen for pattern, (seen, _) in patterns.items() if fnmatchcase(cell, pattern))


def shows(cell: CellEvidence, seen: Anomaly | str) -> bool:
    """Whether the cell is red for that, with a row of the kind where rows are wrong."""
    for judgement in cell.judgements:
        if judgement.kind == "check":
            if judgement.name == seen and judgement.outcome is Outcome.FAILED:
                return True
        elif isinstance(seen, Anomaly) and judgement.anomalies.get(seen):
            return any(sample.anomaly is seen and sample.key for sample in judgement.samples)
    return False


def check(run: Run, monkeypatch: pytest.MonkeyPatch, defect: str, **options: object) -> None:
    monkeypatch.setenv("CERTIFY_PLANTED_DEFECT", defect)
    release = run(**options)
    cells = release.cells()
    should = {name: seen for name in cells if (seen := expected(defect, name))}
    surplus, missed = release.red() - set(should), set(should) - release.red()
    assert (surplus, missed) == (set(), set()), "red without reason, and not caught"
    assert [name for name, seen in should.items() if not shows(cells[name], seen)] == []
    assert all(cell.reason is None for cell in cells.values()), "it is the engine that is judged"
    assert release.decided.outcome is (Outcome.FAILED if should else Outcome.PASSED)
    assert bool(release.decided.summary.blockers) is bool(should)


# The few cells that show both colours: scenarios, strategies. The whole matrix is for the night.
TELLING = {
    "slow_load": (("batch.full_refresh",), ("full_refresh",)),
    "drop_last_batch": (("batch.empty", "batch.full_refresh"), ("full_refresh",)),
    "advance_state_before_load": (("strategy.*", "idem.rerun"), ("incremental_merge",)),
    "lose_decimal_scale": (("batch.empty", "batch.full_refresh"), ("full_refresh",)),
    "ignore_deletes": (("strategy.*",), ("snapshot_diff", "xmin")),
    "truncate_before_stage": (("obs.taxonomy", "strategy.replace"), ("full_refresh", "replace")),
    "count_extracted_as_loaded": (("obs.counts",), ("full_refresh", "incremental_merge")),
}


@pytest.mark.nightly
@pytest.mark.parametrize("defect", EXPECTED)
def test_a_planted_defect_is_seen_where_it_must_be(
    run: Run, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    scenarios, strategies = TELLING[defect]
    check(run, monkeypatch, defect, scenarios=scenarios, strategies=strategies)


@pytest.mark.nightly
@pytest.mark.parametrize("defect", EXPECTED)
def test_a_planted_defect_turns_exactly_the_right_cells_red(
    run: Run, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    routes = ("postgres_to_postgres", "postgres_to_sqlite", "postgres_to_parquet")
    check(run, monkeypatch, defect, rows=200, routes=routes, workers=2)


@pytest.mark.nightly
def test_the_engine_as_released_is_green_everywhere(run: Run) -> None:
    release = run(rows=200, routes=("postgres_to_*",), workers=2)
    assert release.red() == set()
