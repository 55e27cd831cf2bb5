"""The real thing: PostgreSQL, the reference engine, DuckDB and dbt."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.families.dbt_lineage import produce as family
from certification_pipeline.families.work import Work
from certification_pipeline.pipeline.families import remake_family
from certification_pipeline.settings import RunSettings
from tests.pipeline.conftest import Release, Run, catalog, run, server  # noqa: F401 - fixtures

pytestmark = pytest.mark.integration

ONE_LOAD = {
    "routes": ("postgres_to_duckdb",),
    "strategies": ("snapshot_diff",),
    "scenarios": ("strategy.snapshot_diff",),
    "families": ("dbt_lineage",),
}


def lineage(release: Release) -> DbtLineage:
    return release.directory.read("dbt_lineage.json", DbtLineage)


@pytest.mark.nightly  # dbt itself; `make certify` does the same
def test_a_release_is_green_with_dbt_on_what_was_loaded(run: Run) -> None:  # noqa: F811
    release = run(**ONE_LOAD)
    made = lineage(release)
    assert made.passed, made.blockers
    assert release.decided.summary.passed, release.decided.summary.blockers
    (target,) = made.targets
    assert target.adapter == "duckdb"
    assert {node.state for node in target.nodes} == {"passed", "loaded", "declared"}
    assert [command.command for command in target.commands] == [
        "build",
        "build",
        "docs generate --no-compile",
    ]
    closed = next(j for j in target.judgements if j.kind == "check" and j.name == "orders_history.closed")
    assert closed.observed == closed.expected != 0


# --- defects planted in the project, the target and the engine ----------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(family.PROJECT, tmp_path / "project"))


Again = Callable[..., DbtLineage]


@pytest.fixture
def again(run: Run, tmp_path: Path) -> Again:  # noqa: F811
    """Make the family in a release without it, with a project of the test's own."""

    def go(project: Path, target: str = "duckdb") -> DbtLineage:
        wanted = {
            **ONE_LOAD,
            "routes": ("postgres_to_duckdb", "postgres_to_postgres"),
            "families": ("matrix",),
        }
        release = run(**wanted)
        settings = RunSettings(evidence_dir=tmp_path / "evidence", release_id=release.plan.release_id)

        def make(work: Work) -> DbtLineage:
            return family.produce(work, targets=(target,), project=project)

        made = remake_family(
            settings,
            load_catalog(),
            lambda _: None,
            threading.Event(),
            family=Family.DBT_LINEAGE,
            engines=("reference",),
            produce=make,
        )["reference"]
        assert isinstance(made, DbtLineage)
        return made

    return go


def codes(made: DbtLineage) -> set[str]:
    return {blocker.code.removeprefix("dbt_lineage.") for blocker in made.blockers}


@pytest.mark.nightly
def test_a_broken_model_is_red_and_so_is_what_rests_on_it(project: Path, again: Again) -> None:
    (project / "models/marts/orders_by_day.sql").write_text(
        "select no_such_column from {{ ref('stg_orders') }}"
    )
    found = codes(again(project))
    assert "model_failed:model.certified_orders.orders_by_day" in found
    assert "test_skipped:test.certified_orders.every_order_is_counted_once" in found


@pytest.mark.nightly
def test_a_test_that_fails_is_red(project: Path, again: Again) -> None:
    (project / "tests/no_orders_at_all.sql").write_text("select * from {{ ref('stg_orders') }}")
    assert codes(again(project)) == {"test_failed:test.certified_orders.no_orders_at_all"}


@pytest.mark.nightly
def test_a_table_nobody_declared_is_red(project: Path, again: Again) -> None:
    model = project / "models/staging/stg_orders.sql"
    model.write_text(
        model.read_text().replace("{{ source('landing', 'standard') }}", "{{ target.schema }}.standard")
    )
    assert "source_not_declared:model.certified_orders.stg_orders" in codes(again(project))


@pytest.mark.nightly
def test_a_snapshot_that_forgets_deletes_is_seen_by_counting(project: Path, again: Again) -> None:
    history = project / "snapshots/orders_history.yml"
    history.write_text(history.read_text().replace("hard_deletes: invalidate", "hard_deletes: ignore"))
    assert codes(again(project)) == {"wrong:orders_history.open", "wrong:orders_history.closed"}


@pytest.mark.nightly
def test_a_project_that_cannot_be_parsed_is_red(project: Path, again: Again) -> None:
    (project / "dbt_project.yml").write_text("name: [")
    assert {"command_failed:duckdb.build", "missing:dbt/duckdb/manifest.json"} <= codes(again(project))


@pytest.mark.nightly
def test_on_postgres_it_is_green_too(project: Path, again: Again) -> None:
    made = again(project, "postgres")
    assert codes(made) == {"missing_target:duckdb"}, "which the embedded profile calls for"
    assert made.targets[0].adapter == "postgres"
    assert made.targets[0].outcome == "passed"


@pytest.mark.nightly
def test_an_engine_that_loses_rows_never_gets_as_far_as_dbt(
    project: Path,
    again: Again,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTIFY_PLANTED_DEFECT", "drop_last_batch")
    made = again(project)
    assert codes(made) == {"load_not_certified:duckdb.standard"}
    assert made.targets[0].commands == ()
