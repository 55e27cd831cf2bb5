"""The type contract: what a column may be made of in a sink, and which losses are declared.

A loss either changes values (``nan_to_null``) or only how they are kept (``array_as_json``). The set is
closed: a name in the catalogue that is not here is an error, so no loss can be declared that the oracle
does not understand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.catalog.claims import TypeRule


class Loss(StrEnum):
    """Every loss that a catalogue may declare."""

    NAN_TO_NULL = "nan_to_null"
    NEGATIVE_ZERO_TO_ZERO = "negative_zero_to_zero"
    INFINITY_TO_NULL = "infinity_to_null"
    JSON_NULL_TO_NULL = "json_null_to_null"
    JSON_FRACTION_AS_FLOAT = "json_fraction_as_float"
    EMPTY_TEXT_TO_NULL = "empty_text_to_null"
    DECIMAL_AS_FLOAT = "decimal_as_float"
    TZ_NORMALISED = "tz_normalised"
    DECIMAL_AS_TEXT = "decimal_as_text"
    ARRAY_AS_JSON = "array_as_json"
    UUID_AS_TEXT = "uuid_as_text"
    JSON_AS_TEXT = "json_as_text"
    TIME_AS_TEXT = "time_as_text"
    BOOL_AS_INTEGER = "bool_as_integer"


@dataclass(frozen=True, slots=True)
class ValueLoss:
    """``matches`` finds the canonical texts that the sink cannot hold, ``replaced`` gives what it holds."""

    matches: Callable[[pa.Array], pa.Array]
    replaced: Callable[[pa.Array], pa.Array]


def _to_null(array: pa.Array) -> pa.Array:
    return pa.nulls(len(array), pa.string())


def _is_number(text: pa.Array) -> pa.Array:
    return pc.match_substring_regex(text, r"^-?[0-9]+\.[0-9]+$|^-?[0-9]{16,}$")


def _nearest_double(text: pa.Array) -> pa.Array:
    """What a decimal becomes on its way through a double, as an exact shortest decimal."""
    from certification_pipeline.harness.oracle.canonical import canonical  # noqa: PLC0415
    from certification_pipeline.harness.workload.spec import LogicalType  # noqa: PLC0415

    return canonical(canonical(text, LogicalType.FLOAT64), LogicalType.DECIMAL)


def _fractions_as_doubles(text: pa.Array) -> pa.Array:
    """Documents as readers have them to whom a number with a fraction is a double; integers stay exact."""
    return pa.array([None if t is None else _document_of_doubles(t) for t in text.to_pylist()], pa.string())


def _document_of_doubles(text: str) -> str:
    if "." not in text and "E" not in text:
        return text
    from certification_pipeline.harness.oracle.canonical_json import canonical_json  # noqa: PLC0415

    try:
        return canonical_json(json.dumps(json.loads(text), ensure_ascii=False))
    except (ValueError, RecursionError):  # no JSON: compared as it is
        return text


VALUE_LOSSES: dict[Loss, ValueLoss] = {
    Loss.NAN_TO_NULL: ValueLoss(lambda a: pc.equal(a, "NaN"), _to_null),
    Loss.NEGATIVE_ZERO_TO_ZERO: ValueLoss(
        lambda a: pc.equal(a, "-0"), lambda a: pa.array(["0"] * len(a), pa.string())
    ),
    Loss.INFINITY_TO_NULL: ValueLoss(lambda a: pc.is_in(a, pa.array(["Infinity", "-Infinity"])), _to_null),
    Loss.JSON_NULL_TO_NULL: ValueLoss(lambda a: pc.equal(a, "null"), _to_null),
    Loss.JSON_FRACTION_AS_FLOAT: ValueLoss(
        lambda a: pc.not_equal(a, _fractions_as_doubles(a)), _fractions_as_doubles
    ),
    Loss.EMPTY_TEXT_TO_NULL: ValueLoss(lambda a: pc.equal(a, ""), _to_null),
    Loss.DECIMAL_AS_FLOAT: ValueLoss(_is_number, _nearest_double),
}

_KEPT_AS: dict[Loss, frozenset[str]] = {
    Loss.DECIMAL_AS_TEXT: frozenset(
        {"text", "character varying", "varchar", "string", "large_string", "string_view"}
    ),
    Loss.ARRAY_AS_JSON: frozenset(
        {
            "text",
            "character varying",
            "varchar",
            "json",
            "jsonb",
            "string",
            "large_string",
            "string_view",
            "arrow.json",
        }
    ),
    Loss.UUID_AS_TEXT: frozenset(
        {"text", "character varying", "varchar", "string", "large_string", "string_view"}
    ),
    Loss.JSON_AS_TEXT: frozenset(
        {"text", "character varying", "varchar", "string", "large_string", "string_view"}
    ),
    Loss.TIME_AS_TEXT: frozenset(
        {"text", "character varying", "varchar", "string", "large_string", "string_view"}
    ),
    Loss.BOOL_AS_INTEGER: frozenset({"integer", "bigint", "smallint", "int64", "int32"}),
    Loss.TZ_NORMALISED: frozenset(
        {
            "timestamp",
            "timestamp without time zone",
            "timestamp[us]",
            "timestamp[ns]",
            "text",
            "varchar",
            "string",
        }
    ),
}

assert set(VALUE_LOSSES) | set(_KEPT_AS) == set(Loss)


class ContractError(ValueError):
    """The catalogue's type contract says something the oracle does not understand."""


def losses_of(rule: TypeRule) -> tuple[Loss, ...]:
    """The declared losses; raises :class:`ContractError` on an unknown name."""
    try:
        return tuple(Loss(name) for name in rule.loss)
    except ValueError as error:
        known = ", ".join(Loss)
        raise ContractError(f"types: {error}; losses are: {known}") from error


def not_permitted(rule: TypeRule, physical: frozenset[str]) -> frozenset[str]:
    """The physical types that the contract does not permit."""
    return physical - {name.lower() for name in rule.physical}


def kept_as(rule: TypeRule, physical: frozenset[str]) -> tuple[Loss, ...]:
    """Declared losses of form (not of value) that this physical type shows to have happened."""
    return tuple(loss for loss in losses_of(rule) if physical & _KEPT_AS.get(loss, frozenset()))


def value_losses(rule: TypeRule) -> tuple[Loss, ...]:
    """Declared losses that change values."""
    return tuple(loss for loss in losses_of(rule) if loss in VALUE_LOSSES)


def holds(loss: Loss, actual: pa.Array) -> bool:
    """Whether the sink shows a value that by this loss it could not hold: then the loss is no excuse."""
    if loss is Loss.DECIMAL_AS_FLOAT:
        return not actual.equals(pc.if_else(_is_number(actual), _nearest_double(actual), actual))
    return bool(pc.any(VALUE_LOSSES[loss].matches(actual)).as_py())


def lose(loss: Loss, expected: pa.Array) -> tuple[pa.Array, bool]:
    """Expected values as the sink can hold them, and whether any changed."""
    rule = VALUE_LOSSES[loss]
    hit = pc.fill_null(rule.matches(expected), False)
    if not pc.any(hit).as_py():
        return expected, False
    changed = pc.replace_with_mask(expected, hit, rule.replaced(expected.filter(hit)))
    return changed, not changed.equals(expected)
