"""A scenario that changes gets another version and a release note: held by a digest of each.

Evidence names the scenario and its version: two certificates of one version must mean one and the same.
`UPDATE_LOCK=1 pytest tests/catalog/test_scenario_versions.py` takes in scenarios that are new or whose
version was raised, and no others.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import json
import os
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.harness.scenarios.registry import SCENARIOS

LOCK = Path(__file__).with_name("scenarios.lock.json")
_ROOM = "certification_pipeline.harness.scenarios"
_WORDS_ALONE = {"history", "remedy"}
"""Of the entry: what tells of it without saying what is asked of an engine."""


def digest(scenario: Scenario, function: Callable[..., object]) -> str:
    """Of what the scenario says it does and asks, and of the code in its room that does it."""
    said = scenario.model_dump(mode="json", exclude=_WORDS_ALONE, exclude_defaults=True)
    code = [bare(inspect.getsource(one)) for one in reached(function)]
    return hashlib.sha256(json.dumps([said, code], sort_keys=True).encode()).hexdigest()[:16]


def reached(function: Callable[..., object]) -> Iterator[FunctionType | type]:
    """The function, then all that it names of its own room, each once, in the order of their names."""
    while isinstance(function, partial):
        function = function.func
    found: dict[str, FunctionType | type] = {}

    def look(one: Any) -> None:
        if f"{one.__module__}.{one.__qualname__}" in found:
            return
        found[f"{one.__module__}.{one.__qualname__}"] = one
        for code in codes(one):
            for name in code.co_names:
                named = inspect.getmodule(one).__dict__.get(name)  # type: ignore[union-attr]
                known = inspect.isfunction(named) or inspect.isclass(named)
                if known and named.__module__.startswith(_ROOM):
                    look(named)

    look(function)
    yield from (found[name] for name in sorted(found))


def codes(one: Any) -> Iterator[Any]:
    """Its code objects, nested ones too; of a class those of its methods."""
    members = vars(one).values() if inspect.isclass(one) else [one]
    todo = [inspect.unwrap(member).__code__ for member in members if inspect.isfunction(member)]
    while todo:
        code = todo.pop()
        todo += [const for const in code.co_consts if inspect.iscode(const)]
        yield code


def bare(source: str) -> str:
    """Code without comments, docstrings and white space: the same however it is laid out."""
    source = textwrap.dedent(source)
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.FunctionDef | ast.ClassDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            text = node.body[0]
            assert text.end_lineno is not None
            lines[text.lineno - 1 : text.end_lineno] = ["pass\n"] + ["\n"] * (text.end_lineno - text.lineno)
            lines[text.lineno - 1] = " " * text.col_offset + "pass\n"
    kept = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline)
        if token.type != tokenize.COMMENT
    ]
    return "".join("".join(kept).split())


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_a_scenario_that_changed_has_another_version(catalog: Catalog) -> None:
    now = {
        name: {"version": scenario.version, "digest": digest(scenario, SCENARIOS[name])}
        for name, scenario in catalog.scenarios.items()
    }
    locked: dict[str, dict[str, Any]] = json.loads(LOCK.read_text())
    if os.environ.get("UPDATE_LOCK"):
        held = {
            name: locked[name] for name in now if name in locked and same_version(locked[name], now[name])
        }
        LOCK.write_text(json.dumps(dict(sorted((now | held).items())), indent=1) + "\n")
        locked = now | held
    changed = [
        name
        for name in now
        if name in locked and same_version(locked[name], now[name]) and locked[name] != now[name]
    ]
    assert changed == [], "raise their `version` and say in `history` what changed"
    assert now == locked, "run with UPDATE_LOCK=1: scenarios came, went, or got another version"


def same_version(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["version"] == other["version"])


# --- what the digest sees ------------------------------------------------------------------------------


def test_the_criterion_is_part_of_it(catalog: Catalog) -> None:
    scenario = catalog.scenarios["incr.noop"]
    function = SCENARIOS["incr.noop"]
    other = scenario.model_copy(update={"passes_when": "Anything MAY happen."})
    assert digest(other, function) != digest(scenario, function)
    assert digest(scenario.model_copy(update={"remedy": "Look."}), function) == digest(scenario, function)


def test_code_is_seen_and_its_layout_is_not() -> None:
    one = 'def f(x):\n    """Says."""\n    return g(x, 1)  # why\n'
    same = 'def f(x):\n    """Says\n\n    more."""\n    # because\n    return g(\n        x, 1)\n'
    assert bare(one) == bare(same)
    assert bare(one) != bare(one.replace("1", "2"))


def test_what_a_scenario_calls_in_its_room_is_part_of_it() -> None:
    names = [one.__name__ for one in reached(SCENARIOS["obs.counts"])]
    assert "_check_counts" in names
    assert "counts" in names
