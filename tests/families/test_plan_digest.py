"""The digest of a plan: each change is seen, and what changes nothing is not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import (
    Guarantee,
    ReasonCode,
    Support,
)
from certification_pipeline.evidence.plan import CertificationPlan
from tests.families.plans import HERE, plan, shipped_plan


class TestDigest:
    def test_same_request_same_digest_whatever_the_run(
        self, catalog: Catalog, planned: CertificationPlan
    ) -> None:
        assert planned.plan_digest == plan(catalog, run_id="run-2", release_id="r2").plan_digest

    @given(shuffle=st.randoms(use_true_random=False))
    @settings(max_examples=10, deadline=None)
    def test_the_order_of_cells_does_not_matter(self, shuffle: random.Random) -> None:
        planned = shipped_plan()
        cells = list(planned.cells)
        shuffle.shuffle(cells)
        shuffled = planned.model_copy(update={"cells": tuple(cells)})
        assert shuffled.recompute_digest() == planned.plan_digest

    @pytest.mark.parametrize(
        "changes",
        [
            {"rows": 9_999},
            {"seed": 2},
            {"profile": "local"},
            {"availability": {"postgres": HERE}},
            {"scenarios": ["strategy.*"]},
            {"scenarios": ["*"]},
        ],
        ids=str,
    )
    def test_each_change_of_the_request_is_seen(
        self, catalog: Catalog, changes: dict[str, Any], planned: CertificationPlan
    ) -> None:
        assert plan(catalog, **changes).plan_digest != planned.plan_digest

    @pytest.mark.parametrize(
        "changes",
        [
            {"rows": 1},
            {"seed": 99},
            {"scenario_version": 2},
            {"required": False},
            {"disposition": "untested"},
            {"reason": ReasonCode.NOT_IMPLEMENTED},
            {"guarantee": Guarantee.BEST_EFFORT},
            {"support": Support.PARTIAL},
            {"detail": "x"},
            {"remedy": "x"},
        ],
        ids=str,
    )
    def test_each_change_of_a_cell_is_seen(self, changes: dict[str, Any], planned: CertificationPlan) -> None:
        index = next(i for i, c in enumerate(planned.cells) if c.disposition == "run")
        cells = list(planned.cells)
        cells[index] = cells[index].model_copy(update=changes)
        edited = planned.model_copy(update={"cells": tuple(cells)})
        assert edited.recompute_digest() != planned.plan_digest

    def test_a_dropped_cell_is_seen(self, planned: CertificationPlan) -> None:
        shorter = planned.model_copy(update={"cells": planned.cells[:-1]})
        assert shorter.recompute_digest() != planned.plan_digest

    def test_a_change_of_the_catalogue_is_seen(self, catalog: Catalog, planned: CertificationPlan) -> None:
        scenario = catalog.scenarios["batch.wide"].model_copy(update={"passes_when": "It MUST."})
        other = catalog.model_copy(update={"scenarios": {**catalog.scenarios, "batch.wide": scenario}})
        assert plan(other).plan_digest != planned.plan_digest
