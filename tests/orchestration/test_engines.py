"""Engines are asked who they are once a run, and anew by the next one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.harness.events import OnEvent
from certification_pipeline.harness.workshop import MissingEngine, ReadyEngine, ready_engines
from certification_pipeline.orchestration.names import PLAN, route_key
from tests.orchestration.conftest import SIZE, House, failures

ROUTE = route_key("reference", "postgres", "sqlite")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each engine was asked."""
    count: Counter[str] = Counter()

    def counting(
        catalog: Catalog, names: Iterable[str], on_event: OnEvent
    ) -> dict[str, ReadyEngine | MissingEngine]:
        names = list(names)
        count.update(names)
        return ready_engines(catalog, names, on_event)

    monkeypatch.setattr("certification_pipeline.pipeline.releases.ready_engines", counting)
    return count


def test_once_a_run_and_again_by_the_next(house: House, asked: Counter[str]) -> None:
    assert house.only(PLAN, ROUTE, release="asked", config=SIZE).success
    assert asked["reference"] == 1, "the route's step has the answer that the plan's step was given"
    assert house.only(ROUTE, release="asked").success
    assert asked["reference"] == 2, "what was installed since must be seen"


def test_who_was_missing_stays_missing_for_the_run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `certify run`: the plan says untested, and no step of that run finds out otherwise."""
    answers: list[MissingEngine] = [MissingEngine("gone", "bring it back")]

    def first_missing(
        catalog: Catalog, names: Iterable[str], on_event: OnEvent
    ) -> dict[str, ReadyEngine | MissingEngine]:
        names = list(names)
        if names and answers:
            return dict.fromkeys(names, answers.pop())
        return ready_engines(catalog, names, on_event)

    monkeypatch.setattr("certification_pipeline.pipeline.releases.ready_engines", first_missing)
    result = house.only(PLAN, ROUTE, release="missing", config=SIZE)
    assert not answers
    assert not failures(result), "asked anew, the route's step would find another subject than was planned"
    cells = house.directory("missing").path / "cells"
    assert not list(cells.glob("*.json")), "nothing was run"
