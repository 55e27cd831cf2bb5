"""A vendor's statement beside evidence: what disproves it, what supports it, and what does neither."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.findings import load_findings
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.stated import StatedGuarantee, StatedLevel, Statement
from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, ReasonCode
from certification_pipeline.gates.stated import Asked, ClaimVerdict, Judged, judge
from certification_pipeline.gates.stated_seen import CellSeen, GuaranteeSeen, LevelSeen, Seen

CATALOG = load_catalog()
FINDINGS = load_findings(CATALOG)
DISPROVED, NOT_TESTED, SUPPORTED = ClaimVerdict.DISPROVED, ClaimVerdict.NOT_TESTED, ClaimVerdict.SUPPORTED


def statement(**parts: object) -> Statement:
    return Statement.model_validate({"id": "one", "document": "page", "text": "It holds.", **parts})


RERUNS = statement(scenarios=("idem.rerun", "incr.noop"), contradicted_by=("duplicate", "lost"))
BETA = statement(level=StatedLevel(policy="dpone", level="beta", unit="postgres"))


def cell(
    scenario: str, outcome: Outcome = Outcome.PASSED, sink: str = "postgres", **more: object
) -> CellSeen:
    return replace(CellSeen("postgres", sink, "incremental_merge", scenario, outcome), **more)  # type: ignore[arg-type]


def seen(*cells: CellSeen, engine: str = "dpone", **more: object) -> Seen:
    return replace(Seen(engine, "0.88.0", "r1", cells), **more)  # type: ignore[arg-type]


def put(stated: Statement, evidence: Seen | None, engine: str = "dpone") -> Judged:
    return judge(stated, Asked(CATALOG.engines[engine], evidence, CATALOG, FINDINGS))


HOLD = (cell("idem.rerun"), cell("incr.noop"))
DOUBLED = cell("idem.rerun", Outcome.FAILED, shows=("duplicate",), findings=("dpone-14",), seen="2 duplicate")


def test_all_of_it_seen_to_hold_supports() -> None:
    assert put(RERUNS, seen(*HOLD)).verdict is SUPPORTED


def test_a_counter_example_disproves_and_is_named() -> None:
    found = put(RERUNS, seen(*HOLD, DOUBLED))
    assert found.verdict is DISPROVED
    assert found.decisive.cell == "postgres_to_postgres/incremental_merge/idem.rerun"
    assert found.decisive.findings == ("dpone-14",)
    assert "2 duplicate" in found.decisive.because


@pytest.mark.parametrize(
    "cells",
    [
        (),
        (cell("idem.rerun"),),
        (cell("batch.full_refresh"),),
        (cell("idem.rerun"), cell("incr.noop", Outcome.UNTESTED, reason=ReasonCode.SERVICE_UNAVAILABLE)),
        (cell("idem.rerun"), cell("incr.noop", Outcome.INAPPLICABLE, reason=ReasonCode.NOT_DECLARED)),
        (*HOLD, cell("idem.rerun", Outcome.CANT_TELL, sink="duckdb")),
    ],
)
def test_what_was_not_seen_supports_nothing(cells: tuple[CellSeen, ...]) -> None:
    assert put(RERUNS, seen(*cells)).verdict is NOT_TESTED


def test_a_failure_for_another_reason_shows_nothing_of_it() -> None:
    other = cell("idem.rerun", Outcome.FAILED, shows=("corrupt", "load_ended"), findings=("dpone-02",))
    found = put(RERUNS, seen(cell("incr.noop"), other))
    assert found.verdict is NOT_TESTED
    assert "failed for another reason" in found.decisive.because
    assert found.decisive.findings == ("dpone-02",)
    assert put(statement(scenarios=("idem.rerun",)), seen(other)).verdict is DISPROVED, "any failure does"
    unknown = replace(other, shows=None)
    assert put(RERUNS, seen(cell("incr.noop"), unknown)).verdict is NOT_TESTED


def test_untested_routes_are_told() -> None:
    away = cell("idem.rerun", Outcome.UNTESTED, sink="mssql", reason=ReasonCode.SERVICE_UNAVAILABLE)
    found = put(RERUNS, seen(*HOLD, away))
    assert found.verdict is SUPPORTED
    assert "not shown: service unavailable (1)" in found.decisive.because


def test_a_level_rests_on_the_level_that_is_granted() -> None:
    def granted(level: str | None) -> Judged:
        return put(BETA, seen(*HOLD, levels=(LevelSeen("postgres", "dpone", level, "because"),)))

    assert granted("beta").verdict is SUPPORTED
    assert granted("production-certified").verdict is SUPPORTED
    assert granted("experimental").verdict is NOT_TESTED
    assert granted(None).verdict is NOT_TESTED


def test_a_level_is_disproved_by_what_the_ledger_saw_fail() -> None:
    def refuted(level: str) -> Judged:
        granted = LevelSeen("postgres", "dpone", None, "nothing", refuted=((level, "types.matrix failed"),))
        return put(BETA, seen(*HOLD, levels=(granted,)))

    assert refuted("beta").verdict is DISPROVED
    assert refuted("experimental").verdict is DISPROVED
    assert refuted("production-certified").verdict is NOT_TESTED


def test_a_level_is_disproved_by_a_cell_it_asks_for_and_never_granted_by_cells_alone() -> None:
    failing = cell("types.matrix", Outcome.FAILED, seen="c_array")
    assert put(BETA, seen(failing)).verdict is DISPROVED
    assert put(BETA, seen(cell("types.matrix", Outcome.FAILED, sink="mssql"))).verdict is DISPROVED
    asked = [
        pattern
        for level in CATALOG.policies["dpone"].levels[:2]
        for requirement in level.requirements
        for pattern in requirement.scenarios
    ]
    names = [name for name in CATALOG.scenarios for pattern in asked if name.startswith(pattern.rstrip("*"))]
    found = put(BETA, seen(*(cell(name) for name in names)))
    assert found.verdict is NOT_TESTED
    assert "no level was computed" in found.decisive.because


def test_a_level_of_a_system_that_nothing_here_can_ask() -> None:
    stated = statement(level=StatedLevel(policy="dpone", level="experimental", unit="google_ads"))
    for evidence in (None, seen(*HOLD)):
        found = put(stated, evidence)
        assert found.verdict is NOT_TESTED
        assert "no such system" in found.decisive.because


BEST = statement(guarantee=StatedGuarantee(table="krishiv", source="parquet_batch", sink="parquet_batch"))
ONCE = statement(
    guarantee=StatedGuarantee(table="krishiv", source="parquet_batch", sink="parquet_two_phase"),
    level=StatedLevel(policy="krishiv", level="certified", unit="parquet_to_parquet"),
)


def broken(bound: Guarantee, *, enough: bool = True) -> Seen:
    shown = GuaranteeSeen("parquet_to_parquet", "full_refresh", bound, enough, "cell, step")
    return seen(engine="krishiv", guarantees=(shown,))


def test_a_guarantee_is_upheld_by_enough_kills_only() -> None:
    assert put(BEST, broken(Guarantee.EXACTLY_ONCE), "krishiv").verdict is SUPPORTED
    assert put(BEST, broken(Guarantee.EXACTLY_ONCE, enough=False), "krishiv").verdict is NOT_TESTED
    assert put(BEST, seen(engine="krishiv"), "krishiv").verdict is NOT_TESTED


def test_less_observed_than_is_stated_disproves(monkeypatch: pytest.MonkeyPatch) -> None:
    table = CATALOG.guarantees["krishiv"]
    rows = tuple(
        row.model_copy(update={"guarantee": Guarantee.EFFECTIVELY_ONCE})
        if (row.source, row.sink) == ("parquet_batch", "parquet_batch")
        else row
        for row in table.rows
    )
    more = CATALOG.model_copy(update={"guarantees": {"krishiv": table.model_copy(update={"rows": rows})}})
    asked = Asked(CATALOG.engines["krishiv"], broken(Guarantee.AT_LEAST_ONCE), more, FINDINGS)
    found = judge(BEST, asked)
    assert found.verdict is DISPROVED
    assert found.decisive.cell == "cell, step"


def test_a_row_is_asked_of_the_engine_that_is_configured_to_deliver_it() -> None:
    other = put(ONCE, broken(Guarantee.BEST_EFFORT), "krishiv")
    assert other.verdict is NOT_TESTED, "the level of a durable row is not that of dev-local"
    assert len(other.parts) == 1
    durable = put(ONCE, None, "krishiv_durable")
    assert durable.verdict is NOT_TESTED
    assert "built without it" in durable.decisive.because


def test_fields_must_be_in_every_run_record() -> None:
    stated = statement(fields=("run_id", "source_id"))
    whole = {"run_id": (8, 8), "source_id": (8, 8)}
    assert put(stated, seen(records=whole)).verdict is SUPPORTED
    assert put(stated, seen(records={**whole, "source_id": (7, 8)})).verdict is NOT_TESTED
    assert put(stated, seen(records={"run_id": (8, 8)})).verdict is NOT_TESTED
    assert put(stated, None).verdict is NOT_TESTED
    assert put(stated, seen(cell("obs.fields"))).verdict is SUPPORTED
    assert put(stated, seen(cell("obs.fields", Outcome.FAILED))).verdict is DISPROVED
    silent = put(statement(fields=("retries",)), seen(cell("obs.fields")))
    assert silent.verdict is NOT_TESTED
    assert "the driver here finds no such field" in silent.decisive.because


def test_without_evidence_a_finding_disproves_what_it_names_and_nothing_else() -> None:
    doubled = statement(scenarios=("rec.concurrent",), contradicted_by=("duplicate",))
    found = put(doubled, None)
    assert found.verdict is DISPROVED
    assert found.decisive.findings == ("dpone-14", "dpone-16")
    assert "certify findings reproduce dpone-14" in found.decisive.because
    assert (
        put(statement(scenarios=("rec.concurrent",), contradicted_by=("torn",)), None).verdict is NOT_TESTED
    )
    # dpone-02 stands in `postgres_to_postgres/*`: it names no scenario in particular.
    assert put(statement(scenarios=("schema.*",)), None).verdict is NOT_TESTED
    # krishiv-08 is a limit that the documents declare.
    assert put(statement(scenarios=("rec.kill",)), None, "krishiv").verdict is NOT_TESTED


def test_the_worst_part_decides() -> None:
    both = statement(fields=("run_id",), scenarios=("obs.counts",))
    evidence = seen(cell("obs.counts", Outcome.FAILED), records={"run_id": (8, 8)})
    assert put(both, evidence).verdict is DISPROVED
    evidence = seen(cell("obs.counts"), records={"run_id": (8, 8)})
    assert put(both, evidence).verdict is SUPPORTED
    assert put(both, replace(evidence, cells=())).verdict is NOT_TESTED


OUTCOMES = st.sampled_from(list(Outcome))
CELLS = st.lists(
    st.builds(
        CellSeen,
        st.just("postgres"),
        st.sampled_from(["postgres", "duckdb"]),
        st.just("incremental_merge"),
        st.sampled_from(["idem.rerun", "incr.noop", "rec.kill"]),
        OUTCOMES,
        shows=st.none() | st.just(("duplicate",)) | st.just(("corrupt",)),
    ),
    max_size=6,
)


@given(CELLS, CELLS)
def test_more_evidence_never_takes_a_counter_example_back(some: list[CellSeen], more: list[CellSeen]) -> None:
    before, after = put(RERUNS, seen(*some)).verdict, put(RERUNS, seen(*some, *more)).verdict
    if before is DISPROVED:
        assert after is DISPROVED
    held = {one.scenario for one in some if one.outcome is Outcome.PASSED}
    assert before is not SUPPORTED or held >= {"idem.rerun", "incr.noop"}
