"""A YAML tree held against a pydantic model: either the model, or problems with their places.

Knows the shape of pydantic's errors and nothing of what the models mean.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from certification_pipeline.catalog.problems import Problem, nearest
from certification_pipeline.catalog.yaml_tree import Mark, Node

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]


def validate(
    node: Node, model: type[M], *, given: dict[str, str] | None = None
) -> tuple[M | None, list[Problem]]:
    """Validate; ``given`` are fields that come from the file's structure (an id from a key)."""
    value = node.plain()
    if not isinstance(value, dict):
        message = f"expected a mapping with the fields of a {model.__name__.lower()}"
        return None, [node.problem(message, f"write its fields: {', '.join(_writable(model, given))}")]
    try:
        return TypeAdapter(model).validate_python(value | (given or {})), []
    except ValidationError as error:
        return None, [_problem(node, model, details) for details in error.errors(include_url=False)]


def locate(node: Node, location: Location) -> tuple[Node, Mark, str]:
    """The deepest node on the way to ``location``, the place to point at, and the rest of the path."""
    mark = node.mark
    for depth, part in enumerate(location):
        if part == "[key]":
            continue
        below = node.child(part)
        if below is None:
            return node, mark, ".".join(str(p) for p in location[depth:] if p != "[key]")
        mark = node.members[part].key if isinstance(part, str) else below.mark
        node = below
    return node, mark, ""


def _problem(root: Node, model: type[BaseModel], details: ErrorDetails) -> Problem:
    location: Location = details["loc"]
    node, key, rest = locate(root, location)
    kind, said = details["type"], details["msg"]
    name = str(next((part for part in reversed(location) if part != "[key]"), ""))
    if kind == "missing":
        return node.problem(f"`{name}` is missing", f"add `{name}:` here", key=key, field=rest)
    if kind == "extra_forbidden":
        known = list(_fields(model, location[:-1]))
        return node.problem(f"unknown key `{name}`", nearest(name, known), key=key, field=rest)
    choices = _choices(_type_at(model, location))
    if choices and kind in {"enum", "literal_error"}:
        wrong = details["input"]
        at = key if location[-1] == "[key]" else node.mark
        return node.problem(
            f"`{wrong}` is not allowed here", nearest(str(wrong), choices), key=at, field=rest
        )
    given = details["input"]
    remedy = said[0].lower() + said[1:]
    if given is None:
        return node.problem(f"`{name}` has no value", remedy, field=rest)
    shown = f"`{given}`" if isinstance(given, str | int | float) else f"a {type(given).__name__}"
    return node.problem(f"`{name}` cannot be {shown}", remedy, field=rest)


def _writable(model: type[BaseModel], given: dict[str, str] | None) -> list[str]:
    return [name for name in model.model_fields if name not in (given or {})]


def _fields(model: type[BaseModel], location: Location) -> Iterator[str]:
    at = _type_at(model, location)
    if isinstance(at, type) and issubclass(at, BaseModel):
        yield from at.model_fields


def _type_at(model: Any, location: Location) -> Any:
    """The declared type at a location: through fields, mapping values and keys, and list elements."""
    at = model
    for part in location:
        at = _bare(at)
        arguments = get_args(at)
        if isinstance(at, type) and issubclass(at, BaseModel):
            field = at.model_fields.get(str(part))
            at = field.annotation if field else None
        elif get_origin(at) is dict:
            # pydantic writes a bad key as (…, key, "[key]"): stay on the mapping's key type then
            at = arguments[0] if location[-1] == "[key]" and part == location[-2] else arguments[1]
        elif get_origin(at) is tuple and arguments:
            at = arguments[0]
    return _bare(at)


def _bare(annotation: Any) -> Any:
    """Without ``Annotated`` and without the ``None`` of an optional."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        some = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _bare(some[0]) if len(some) == 1 else annotation
    return annotation


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return [str(value) for value in get_args(annotation)] if get_origin(annotation) is Literal else []
