"""Under which rules levels were granted, when policies changed, came or went since."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.gates.levels import rules
from certification_pipeline.gates.levels.rules import Rules, rules_of

ONE, TWO = load_catalog().policies.values()
STRICTER = TWO.model_copy(update={"freshness_days": TWO.freshness_days - 1})
HERE = {"one": ONE, "two": TWO}


def ruled(
    monkeypatch: pytest.MonkeyPatch,
    granted_under: Mapping[str, LevelPolicy],
    carried: Mapping[str, LevelPolicy] | None,
) -> Rules:
    """``carried``: what lies beside the plan; ``None``: nothing does."""
    parts: dict[str, Any] | None = None
    if carried is not None:
        parts = {"policies": {name: each.model_dump(mode="json") for name, each in carried.items()}}
    monkeypatch.setattr(rules, "carried_parts", lambda directory, plan: parts)
    found = SimpleNamespace(policies={name: each.digest() for name, each in granted_under.items()})
    return rules_of(None, None, found, HERE)  # type: ignore[arg-type]


def test_the_rules_of_here_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ruled(monkeypatch, HERE, None) == Rules(HERE)


def test_each_policy_is_the_one_with_its_digest_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ruled(monkeypatch, {"one": ONE, "two": STRICTER}, {"one": ONE, "two": STRICTER})
    assert (found.policies, found.unknown) == ({"one": ONE, "two": STRICTER}, ())
    assert [told.partition(": ")[2].split(":")[0] for told in found.other] == ["freshness_days"]
    # The installed one counts, though another lies beside the plan under its name.
    mixed = ruled(monkeypatch, {"one": STRICTER, "two": TWO}, {"one": STRICTER, "two": STRICTER})
    assert mixed.policies == {"one": STRICTER, "two": TWO}


@pytest.mark.parametrize("carried", [None, {}, {"two": ONE}])
def test_rules_that_nobody_has_are_unknown(
    monkeypatch: pytest.MonkeyPatch, carried: Mapping[str, LevelPolicy] | None
) -> None:
    found = ruled(monkeypatch, {"one": ONE, "two": STRICTER}, carried)
    assert [told.partition(":")[0] for told in found.unknown] == ["policies.two"]
    assert found.policies == HERE


def test_a_policy_that_was_there_and_granted_nothing_is_unknown_and_a_later_one_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Left out of the levels, a stricter policy would be told by nobody."""
    for carried in (None, HERE):
        found = ruled(monkeypatch, {"one": ONE}, carried)
        assert [told.partition(":")[0] for told in found.unknown] == ["policies.two"]
    later = ruled(monkeypatch, {"one": ONE}, {"one": ONE})
    assert (later.policies, later.unknown) == ({"one": ONE}, ())
