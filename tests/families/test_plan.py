"""The plan: nothing dropped, every reason told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.vocabulary import (
    DriftBehaviour,
    DriftKind,
    Outcome,
    ReasonCode,
    Strategy,
    Support,
)
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.families.plan import MAX_ROWS, PlanError
from certification_pipeline.harness.services.provider import Availability
from tests.families.plans import EMBEDDED, FULL, HERE, cell, plan, route, with_engine

LATER = Claim(support=Support.NOT_IMPLEMENTED, note="next year")
NO = Claim(support=Support.UNSUPPORTED, note="by design")


def _cases(catalog: Catalog) -> set[tuple[str, ...]]:
    return {(s, t, g, f"strategy.{g}") for s, t, g in catalog.matrix.cases()}


def _planned(made: CertificationPlan) -> set[tuple[str, ...]]:
    return {(c.key.source, c.key.sink, c.key.strategy, c.key.scenario) for c in made.cells}


ON_PURPOSE = {"rec", "deliv", "cdc", "event", "api", "compat"}


class TestCompleteness:
    @pytest.mark.parametrize("availability", [{}, EMBEDDED], ids=["nothing here", "embedded here"])
    @pytest.mark.parametrize("profile", ["embedded", "local", "live"])
    def test_no_case_of_the_matrix_is_dropped(
        self, catalog: Catalog, profile: str, availability: Mapping[str, Availability]
    ) -> None:
        for engine in ("reference", "dlt"):
            assert _cases(catalog) <= _planned(plan(catalog, engine, profile, availability))

    def test_no_engine_drops_a_case_of_the_matrix(self, catalog: Catalog) -> None:
        for engine in catalog.engines:
            assert _cases(catalog) <= _planned(plan(catalog, engine, "live", {}))

    def test_every_cell_is_there_once(self, planned: CertificationPlan) -> None:
        ids = [c.key.cell_id for c in planned.cells]
        assert len(ids) == len(set(ids))

    def test_reference_embedded_by_disposition(self, planned: CertificationPlan) -> None:
        """237 of the matrix, of which PostgreSQL's own 10 run; 57 cells on each of four routes.

        The API is not here: eight of the matrix, and whatever else is claimed about it.
        """
        cells = planned.cells
        of_api = [c for c in cells if c.key.source == "api" and c.key.sink in ("postgres", "duckdb")]
        rest = [c for c in cells if c not in of_api]
        assert {c.disposition for c in of_api} == {"untested", "inapplicable"}
        assert [c for c in rest if c.required] == [c for c in rest if c.disposition == "run"]
        # Scenarios that break things on purpose need not fit every sink, and a profile may leave some out.
        rest = [c for c in rest if c.key.scenario.partition(".")[0] not in ON_PURPOSE]
        assert Counter(c.disposition for c in rest) == {"run": 4 * 57, "untested": 227 - 8}
        assert all(c.reason is ReasonCode.SERVICE_UNAVAILABLE for c in rest if c.disposition == "untested")

    def test_each_cell_that_will_not_run_says_why_and_what_to_do(self, catalog: Catalog) -> None:
        for engine in catalog.engines:
            for one in plan(catalog, engine, "live", EMBEDDED).cells:
                told = (one.reason, one.detail, one.remedy)
                assert all(told) if one.disposition != "run" else not any(told)

    def test_a_plan_is_no_pass(self, planned: CertificationPlan) -> None:
        assert planned.outcome is Outcome.UNTESTED
        assert planned.passed is False

    def test_survives_json(self, planned: CertificationPlan) -> None:
        again = CertificationPlan.model_validate_json(planned.model_dump_json())
        assert again == planned
        assert again.recompute_digest() == planned.plan_digest


class TestScenariosOfAPair:
    def test_an_unclaimed_strategy_is_shown_by_its_own_cell_alone(self, catalog: Catalog) -> None:
        mine = with_engine(catalog, route("postgres", "duckdb", full_refresh=FULL))
        cells = [c for c in plan(mine, "mine").cells if c.key.sink == "duckdb"]
        claimed = [c for c in cells if c.key.strategy is Strategy.FULL_REFRESH]
        others = [c for c in cells if c.key.strategy is not Strategy.FULL_REFRESH]
        assert {c.key.scenario for c in others} == {f"strategy.{s}" for s in Strategy} - {
            "strategy.full_refresh"
        }
        assert {c.disposition for c in others} == {"inapplicable"}
        expected = {
            s.id
            for s in catalog.scenarios.values()
            if Strategy.FULL_REFRESH in s.strategies and "postgres" in (s.sources or ("postgres",))
        }
        assert {c.key.scenario for c in claimed} == expected

    def test_a_scenario_about_a_source_is_no_cell_of_another(self, planned: CertificationPlan) -> None:
        cells = planned.cells
        about = {c.key.source for c in cells if c.key.scenario.startswith("api.")}
        assert about == {"api"}

    def test_denials_alone_add_only_themselves(self, catalog: Catalog) -> None:
        mine = with_engine(catalog, route("postgres", "duckdb", scd2=LATER, cdc=NO))
        cells = [c for c in plan(mine, "mine").cells if c.key.sink == "duckdb"]
        assert {(c.key.scenario, c.disposition) for c in cells} == {
            ("strategy.scd2", "untested"),
            ("strategy.cdc", "inapplicable"),
        }

    def test_drift_without_a_declaration_is_inapplicable_and_not_required(self, catalog: Catalog) -> None:
        drift = {DriftKind.ADD: DriftBehaviour.APPLIED}
        planned = plan(with_engine(catalog, route("postgres", "duckdb", drift, full_refresh=FULL)), "mine")
        declared = cell(planned, "postgres_to_duckdb__full_refresh__schema.add")
        silent = cell(planned, "postgres_to_duckdb__full_refresh__schema.drop")
        assert (declared.disposition, declared.required) == ("run", True)
        assert (silent.disposition, silent.required) == ("inapplicable", False)
        assert silent.reason is ReasonCode.NOT_DECLARED
        assert "drop" in (silent.detail or "")

    def test_drift_declared_for_one_strategy_is_tested_for_that_one(self, catalog: Catalog) -> None:
        own = FULL.model_copy(update={"drift": {DriftKind.DROP: DriftBehaviour.KEPT}})
        mine = with_engine(catalog, route("postgres", "duckdb", incremental_merge=own, full_refresh=FULL))
        planned = plan(mine, "mine")
        assert cell(planned, "postgres_to_duckdb__incremental_merge__schema.drop").disposition == "run"
        assert cell(planned, "postgres_to_duckdb__full_refresh__schema.drop").disposition == "inapplicable"

    def test_rows_by_scenario(self, catalog: Catalog) -> None:
        def rows(asked: int, scenario: str) -> int:
            found = plan(catalog, rows=asked, scenarios=[scenario], strategies=["full_refresh"]).cells
            (one,) = {c.rows for c in found}
            return one

        assert rows(10_000, "strategy.full_refresh") == 10_000
        assert rows(10_000, "batch.wide") == 300
        assert rows(60, "batch.wide") == 60
        assert rows(10_000, "batch.empty") == 0
        assert rows(10_000, "batch.large") == 100_000
        assert rows(MAX_ROWS, "batch.large") == MAX_ROWS


DOWN = Availability(ok=False, detail="no server answers", remedy="start it")
PARTLY = Claim(support=Support.PARTIAL)


class TestPrecedence:
    @pytest.mark.parametrize(
        ("claim", "there", "expected"),
        [
            (None, HERE, ("inapplicable", ReasonCode.NOT_DECLARED, False)),
            (None, DOWN, ("inapplicable", ReasonCode.NOT_DECLARED, False)),
            (NO, HERE, ("inapplicable", ReasonCode.NOT_DECLARED, False)),
            (NO, DOWN, ("inapplicable", ReasonCode.NOT_DECLARED, False)),
            (LATER, HERE, ("untested", ReasonCode.NOT_IMPLEMENTED, False)),
            (LATER, DOWN, ("untested", ReasonCode.SERVICE_UNAVAILABLE, False)),
            (PARTLY, HERE, ("run", None, True)),
            (PARTLY, DOWN, ("untested", ReasonCode.SERVICE_UNAVAILABLE, True)),
            (FULL, HERE, ("run", None, True)),
            (FULL, DOWN, ("untested", ReasonCode.SERVICE_UNAVAILABLE, True)),
        ],
    )
    def test_inside_the_profile(
        self,
        catalog: Catalog,
        claim: Claim | None,
        there: Availability,
        expected: tuple[str, ReasonCode | None, bool],
    ) -> None:
        claims = {"scd2": claim} if claim else {}
        mine = with_engine(catalog, route("postgres", "duckdb", full_refresh=FULL, **claims))
        planned = plan(mine, "mine", availability={"postgres": HERE, "duckdb": there})
        one = cell(planned, "postgres_to_duckdb__scd2__strategy.scd2")
        assert (one.disposition, one.reason, one.required) == expected
        assert one.support is (claim.support if claim else None)
        if one.reason is ReasonCode.SERVICE_UNAVAILABLE:
            assert "no server answers" in (one.detail or "")
            assert one.remedy == "start it"

    def test_a_declared_pair_outside_the_profile_is_untested_even_when_it_is_there(
        self, catalog: Catalog
    ) -> None:
        mine = with_engine(catalog, route("postgres", "bigquery", full_refresh=FULL))
        everything = dict.fromkeys(catalog.systems, HERE)
        one = cell(
            plan(mine, "mine", "local", everything),
            "postgres_to_bigquery__full_refresh__strategy.full_refresh",
        )
        assert (one.disposition, one.reason) == ("untested", ReasonCode.SERVICE_UNAVAILABLE)
        assert one.required is False
        assert "bigquery is not in the profile local" in (one.detail or "")
        assert "live" in (one.remedy or "")
        assert cell(plan(mine, "mine", "live", everything), one.key.cell_id).disposition == "run"

    def test_both_missing_systems_are_named(self, catalog: Catalog) -> None:
        mine = with_engine(catalog, route("mssql", "clickhouse", full_refresh=FULL))
        one = cell(
            plan(mine, "mine", "local", {}), "mssql_to_clickhouse__full_refresh__strategy.full_refresh"
        )
        assert "mssql" in (one.detail or "")
        assert "clickhouse" in (one.detail or "")
        assert catalog.systems["mssql"].remedy in (one.remedy or "")
        assert catalog.systems["clickhouse"].remedy in (one.remedy or "")
        assert one.required, "in the profile and claimed: its absence blocks"

    def test_a_system_nobody_probed_is_not_there(self, catalog: Catalog) -> None:
        planned = plan(catalog, availability={"postgres": HERE})
        one = cell(planned, "postgres_to_duckdb__full_refresh__batch.wide")
        assert one.reason is ReasonCode.SERVICE_UNAVAILABLE
        assert one.remedy == catalog.systems["duckdb"].remedy


def test_a_source_without_logins_or_writer_says_so_when_it_is_planned(catalog: Catalog) -> None:
    routes = [
        RouteClaims(
            source=source, sink="parquet", strategies={Strategy.FULL_REFRESH: FULL, Strategy.CDC: FULL}
        )
        for source in ("parquet", "duckdb")
    ]
    made = plan(with_engine(catalog, *routes), "mine", rows=100)
    cells = {(c.key.source, c.key.scenario): c for c in made.cells if c.key.sink == "parquet"}
    assert cells["parquet", "obs.counts"].disposition == "run"
    for scenario, lacking in (("obs.taxonomy", "login"), ("strategy.cdc", "transactions")):
        cell = cells["parquet", scenario]
        assert (cell.disposition, cell.reason) == ("inapplicable", ReasonCode.SOURCE_LACKS)
        assert not cell.required
        assert lacking in str(cell.detail)
    for scenario in ("obs.taxonomy", "obs.counts"):
        cell = cells["duckdb", scenario]
        assert (cell.disposition, cell.reason) == ("untested", ReasonCode.SERVICE_UNAVAILABLE)
        assert "writes no source tables to duckdb" in str(cell.detail)
        assert cell.remedy


def test_what_the_released_artifact_does_not_hold_is_neither_inapplicable_nor_failed(
    catalog: Catalog,
) -> None:
    absent = Claim(support=Support.NOT_IN_ARTIFACT, note="built without the feature")
    mine = with_engine(
        catalog,
        route("postgres", "kafka", full_refresh=absent),
        route("postgres", "duckdb", full_refresh=absent),
    )
    cells = [c for c in plan(mine, "mine").cells if c.support is Support.NOT_IN_ARTIFACT]
    assert {c.key.route_id for c in cells} == {"postgres_to_kafka", "postgres_to_duckdb"}
    for one in cells:
        # Kafka is not reachable either: a broker would not help.
        assert (one.disposition, one.reason) == ("untested", ReasonCode.NOT_IN_ARTIFACT)
        assert "built without the feature" in str(one.detail)
        assert one.remedy
        assert not one.required


class TestUnsupportedCombinations:
    """A combination outside the engine's own table of guarantees is refused (seed 001)."""

    def test_its_cells_say_which_rows_there_are(self, catalog: Catalog) -> None:
        planned = plan(catalog, "krishiv", "local", availability={})
        refused = cell(planned, "kafka_to_parquet__incremental_append__strategy.incremental_append")
        assert (refused.disposition, refused.reason) == (
            "inapplicable",
            ReasonCode.UNSUPPORTED_COMBINATION,
        )
        assert "kafka → parquet under single-node-durable+: at-least-once" in str(refused.detail)

    def test_asking_for_nothing_else_is_an_error(self, catalog: Catalog) -> None:
        with pytest.raises(PlanError, match="kafka → parquet under dev-local is unsupported"):
            plan(
                catalog,
                "krishiv",
                "local",
                availability={},
                routes=("kafka_to_parquet",),
                strategies=("incremental_append",),
                scenarios=("strategy.*",),
            )

    def test_under_a_profile_that_has_the_row_it_is_planned(self, catalog: Catalog) -> None:
        planned = plan(catalog, "krishiv_durable", "local", availability={})
        found = cell(planned, "kafka_to_parquet__incremental_append__strategy.incremental_append")
        assert found.reason is ReasonCode.NOT_IN_ARTIFACT
