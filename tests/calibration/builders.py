"""A small calibration as an honest run leaves it: the material every test here starts from."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.calibration import Basis, Calibration, CleanCell, Planted, Trial
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.cell import CheckJudgement
from tests.evidence.builders import RELEASE, START, SUBJECT, provenance

BASIS = Basis(scope="sha256:" + "1" * 64, harness="sha256:" + "2" * 64, reference="sha256:" + "3" * 64)
EMPTY, NOOP = "postgres_to_sqlite/full_refresh/batch.empty", "postgres_to_sqlite/cdc/incr.noop"
PLAN = (
    Planted(id="loses", does="It loses.", stands_for="Loss.", cells=(EMPTY,)),
    Planted(id="repeats", does="It repeats.", stands_for="Duplicates.", cells=(EMPTY, NOOP)),
    Planted(id="slow", does="It is slow.", stands_for="Patience.", family="benchmark", proof="tests"),
)


def trial(
    defect: str | None,
    cell: str,
    *,
    right: bool = True,
    repetition: int = 1,
    reason: ReasonCode | None = None,
) -> Trial:
    check = CheckJudgement(step="load 1", name="rows", expected=1, observed=1 if right else 0)
    return Trial(
        defect=defect,
        cell=cell,
        repetition=repetition,
        scenario_version=1,
        run_id="run-1",
        finished_at=START,
        seconds=0.1,
        judgements=(check,) if reason is None else (),
        reason=reason,
    )


CLEAN = (trial(None, EMPTY), trial(None, NOOP))
KILLS = (
    trial("loses", EMPTY, right=False),
    trial("repeats", EMPTY),
    trial("repeats", NOOP, right=False),
)


def calibrated(
    *trials: Trial, repeated: tuple[CleanCell, ...] = (), plan: tuple[Planted, ...] = PLAN
) -> Calibration:
    return calibration(
        provenance(),
        release_id=RELEASE,
        subject=SUBJECT,
        profile="embedded",
        basis=BASIS,
        calibrated=SUBJECT,
        rows=1000,
        seed=1,
        scenarios=("batch.empty", "incr.noop"),
        plan=plan,
        trials=trials,
        repeated=repeated,
    )


def codes(made: Calibration) -> list[str]:
    assert made.passed is (made.outcome is Outcome.PASSED) is (not made.blockers)
    return [blocker.code for blocker in made.blockers]
