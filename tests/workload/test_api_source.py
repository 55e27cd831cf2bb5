"""The API's collections hold exactly the generated rows, round by round."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification_pipeline.harness.services.vendor_api import VendorApi
from certification_pipeline.harness.workload.source import SourceError
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.tables import RECIPES, build_workload

from .replay import after_drift, apply, exact_rows, initial_table


@pytest.fixture
def api() -> Iterator[VendorApi]:
    served = VendorApi()
    yield served
    served.stop()


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"narrow", "wide", "funky_one_case"}))
def test_the_api_holds_what_was_generated(api: VendorApi, name: str) -> None:
    workload = build_workload(name, 200, 11)
    state = {row["id"]: row for row in initial_table(workload).to_pylist()}
    source = open_source("api", api.dsn, "ns", workload.table_name)
    source.seed(workload)
    for number in range(1, workload.changes + 1):
        change = workload.change(number)
        source.apply(change)
        if change.drift:
            state = {key: after_drift(name, row) for key, row in state.items()}
        apply(state, change)
        held = api.get("ns", workload.table_name)
        assert held
        assert held.rows.schema.equals(change.spec.arrow_schema())
        rows = held.rows.to_pylist()
        assert exact_rows(rows) == exact_rows([state[row["id"]] for row in rows])
        assert {row["id"] for row in rows} == set(state)
        assert source.count() == len(rows) == len(state)
    source.drop()
    source.drop()
    assert api.get("ns", workload.table_name) is None


def test_only_an_api_of_this_process_can_be_filled() -> None:
    with pytest.raises(SourceError, match="start the service"):
        open_source("api", "http://u:p@127.0.0.1:1", "ns", "t").count()
