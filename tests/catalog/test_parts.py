"""Parts of catalogues held against each other, whatever one has where the other has something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from certification_pipeline.catalog.parts import differing, parts_text


def told(then: Any, here: Any) -> list[tuple[str, str, str]]:
    """Field, what it says, what it is here: of one scenario that ran."""
    parts = ({"scenarios": {"batch.empty": value}} for value in (then, here))
    found = differing(*parts, engine="dlt", profile="live", scenarios={"batch.empty"}, systems=())
    assert not found.planned_by
    assert not found.granted_by
    return [(one.field, one.says, one.here) for one in found.judged_by]


@pytest.mark.parametrize(
    ("then", "here", "expected"),
    [
        ({"rows": 1}, {"rows": 1}, []),
        ({"rows": 1}, {"rows": True}, [("rows", "1", "true")]),
        ({"rows": 1}, {"rows": 1.0}, [("rows", "1", "1.0")]),
        ({"a": {"b": 1}}, {"a": 3}, [("a", '{"b": 1}', "3")]),
        ({"a": 3}, {"a": {"b": 1}}, [("a", "3", '{"b": 1}')]),
        ({"a": [{"id": "x", "n": 1}]}, {"a": [{"id": "x", "n": 2}]}, [("a.x.n", "1", "2")]),
        ({"a": [{"id": "x"}]}, {"a": [{"id": "x"}, {"id": "x"}]}, [("a", '[{"id": "x"}]', "…")]),
        ({"a": [{"id": "x"}]}, {"a": []}, [("a", '[{"id": "x"}]', "[]")]),
        ({"a": 1}, {}, [("a", "1", "nothing")]),
        ([], {}, [("", "[]", "{}")]),
    ],
)
def test_the_smallest_fields_that_differ_are_named(
    then: Any, here: Any, expected: list[tuple[str, str, str]]
) -> None:
    found = told(then, here)
    assert [(field, says) for field, says, _ in found] == [(field, says) for field, says, _ in expected]
    for (_, _, is_), (_, _, wanted) in zip(found, expected, strict=True):
        assert wanted in ("…", is_)


def test_one_spelling_whatever_the_order() -> None:
    one, other = {"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}
    assert list(one) != list(other)
    assert parts_text(one) == parts_text(other) == b'{"a":1,"b":{"c":2,"d":3}}\n'
    assert json.loads(parts_text(one)) == one
