"""What a request or a profile leaves out of a plan, and how it is told."""

from __future__ import annotations

from typing import Any

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.profiles import LeftOut
from certification_pipeline.catalog.vocabulary import (
    DriftBehaviour,
    DriftKind,
    ReasonCode,
    Strategy,
)
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.families.plan import MAX_ROWS, MIN_ROWS, PlanError
from certification_pipeline.harness.workload import lifecycle
from tests.families.plans import FULL, cell, plan, route, with_engine


class TestLeftOut:
    """A profile may leave cells out, but only in the open."""

    def left_out(self, catalog: Catalog) -> Catalog:
        mine = with_engine(catalog, route("postgres", "duckdb", full_refresh=FULL))
        left = LeftOut(engine="mine", routes=("*_to_duckdb",), scenarios=("schema.*",), why="for time")
        profile = mine.profiles["embedded"].model_copy(update={"leaves_out": (left,)})
        return mine.model_copy(update={"profiles": mine.profiles | {"embedded": profile}})

    def test_it_is_planned_listed_with_the_reason_and_not_required(self, catalog: Catalog) -> None:
        claim = FULL.model_copy(update={"drift": {DriftKind.ADD: DriftBehaviour.APPLIED}})
        mine = with_engine(self.left_out(catalog), route("postgres", "duckdb", full_refresh=claim))
        one = cell(plan(mine, "mine"), "postgres_to_duckdb__full_refresh__schema.add")
        assert (one.disposition, one.required, one.reason) == ("untested", False, ReasonCode.NOT_IN_PROFILE)
        assert "for time" in (one.detail or "")
        assert "local" in (one.remedy or "")

    def test_strategies_narrow_it(self, catalog: Catalog) -> None:
        mine = with_engine(catalog, route("postgres", "duckdb", full_refresh=FULL, replace=FULL))
        left = LeftOut(engine="mine", strategies=("replace",), why="for time")
        profile = mine.profiles["embedded"].model_copy(update={"leaves_out": (left,)})
        planned = plan(mine.model_copy(update={"profiles": mine.profiles | {"embedded": profile}}), "mine")
        runs = {c.key.strategy for c in planned.cells if c.disposition == "run"}
        assert runs == {Strategy.FULL_REFRESH}

    def test_an_entry_may_be_about_every_engine_but_some(self, catalog: Catalog) -> None:
        mine = with_engine(catalog, route("postgres", "duckdb", full_refresh=FULL))
        for but, disposition in (((), "untested"), (("mine",), "run")):
            left = LeftOut(engine="*", but=but, why="for time")
            profile = mine.profiles["embedded"].model_copy(update={"leaves_out": (left,)})
            planned = plan(
                mine.model_copy(update={"profiles": mine.profiles | {"embedded": profile}}), "mine"
            )
            assert cell(planned, "postgres_to_duckdb__full_refresh__batch.wide").disposition == disposition

    def test_everything_else_runs(self, catalog: Catalog) -> None:
        one = cell(plan(self.left_out(catalog), "mine"), "postgres_to_duckdb__full_refresh__batch.wide")
        assert (one.disposition, one.required) == ("run", True)

    def test_no_cell_is_lost_by_it(self, catalog: Catalog) -> None:
        mine = with_engine(catalog, route("postgres", "duckdb", full_refresh=FULL))
        assert len(plan(self.left_out(catalog), "mine").cells) == len(plan(mine, "mine").cells)


class TestSeeds:
    def test_every_cell_has_the_plans(self, catalog: Catalog) -> None:
        assert {c.seed for c in plan(catalog, seed=7).cells} == {7}


class TestFilters:
    def test_narrow_and_say_so(self, catalog: Catalog) -> None:
        planned = plan(
            catalog,
            routes=["postgres_to_[ds]*"],
            strategies=["full_refresh", "scd2"],
            scenarios=["batch.*", "strategy.*"],
        )
        assert {c.key.route_id for c in planned.cells} == {"postgres_to_duckdb", "postgres_to_sqlite"}
        assert {c.key.strategy for c in planned.cells} == {Strategy.FULL_REFRESH, Strategy.SCD2}
        assert planned.selection.routes == ("postgres_to_[ds]*",)
        assert planned.recompute_digest() == planned.plan_digest

    def test_what_is_selected_is_unchanged(self, catalog: Catalog, planned: CertificationPlan) -> None:
        whole = {c.key.cell_id: c for c in planned.cells}
        for one in plan(catalog, scenarios=["schema.*"]).cells:
            assert one == whole[one.key.cell_id]

    def test_keep_cells_that_cannot_run(self, catalog: Catalog, planned: CertificationPlan) -> None:
        cells = plan(catalog, routes=["mssql_to_bigquery"]).cells
        assert len(cells) == 9
        assert {c.disposition for c in cells} == {"untested"}

    @pytest.mark.parametrize(
        ("changes", "message", "remedy"),
        [
            (
                {"routes": ["postgres_to_duckbd"]},
                "matches no planned route",
                "did you mean `postgres_to_duckdb`",
            ),
            ({"strategies": ["full-refresh"]}, "matches no planned strategy", "did you mean `full_refresh`"),
            ({"scenarios": ["batch.*", "bench.*"]}, "`bench.*` matches no planned scenario", "batch."),
            (
                {"scenarios": ["schema.*"], "strategies": ["cdc"]},
                "strategy: cdc; scenario: schema.*",
                "drop one",
            ),
            ({"profile": "embeded"}, "no profile `embeded`", "did you mean `embedded`"),
            ({"rows": 59}, "59 rows", "between 60 and 100000000"),
            ({"rows": 0}, "0 rows", "between 60 and 100000000"),
            ({"rows": -1}, "-1 rows", "between 60 and 100000000"),
            ({"rows": MAX_ROWS + 1}, "100000001 rows", "between 60 and 100000000"),
            (
                {"subject": Subject(engine="dlt", version="1.31.0", artifact_digest="")},
                "the subject is dlt 1.31.0",
                "describe",
            ),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    def test_a_wrong_request_is_told(
        self, catalog: Catalog, changes: dict[str, Any], message: str, remedy: str
    ) -> None:
        with pytest.raises(PlanError) as caught:
            plan(catalog, **changes)
        assert message in caught.value.message
        assert remedy in caught.value.remedy
        assert str(caught.value) == f"{caught.value.message} — {caught.value.remedy}"

    def test_fewest_rows_are_the_workloads(self) -> None:
        assert MIN_ROWS == lifecycle.MIN_ROWS

    def test_an_unknown_engine_is_told(self, catalog: Catalog) -> None:
        with pytest.raises(PlanError, match="no engine `referense` — did you mean `reference`"):
            plan(catalog, "referense")
