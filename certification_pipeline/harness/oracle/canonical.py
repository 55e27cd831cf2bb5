"""Canonical text: one spelling for every value of every logical type, whatever held it.

Two values are equal exactly when their canonical texts are. The form is PostgreSQL's text output with
``TimeZone = UTC`` for scalars, with these rules on top, so that equal *values* have equal texts:

- decimals without trailing zeros and never with an exponent; floats as shortest round-trip digits with
  ``NaN``, ``Infinity``, ``-Infinity``; ``-0`` stays apart from ``0``;
- bytes as ``\\x`` and lower-case hex, uuid in lower case;
- JSON with sorted keys, no white space, numbers normalised by exact decimal value;
- arrays as JSON lists.

A value that is no value of its logical type keeps the text it was found with, and so equals nothing.
This module must not know where an array came from.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.harness.oracle.canonical_json import (
    canonical_json,
    json_list_of_pg_array,
    json_string,
    memo,
)
from certification_pipeline.harness.oracle.canonical_time import date_text, normalise_time, timestamp_text
from certification_pipeline.harness.workload.spec import LogicalType

_PLAIN_NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
_INTEGERS = (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64)


def canonical(array: pa.Array | pa.ChunkedArray, logical: LogicalType) -> pa.Array:
    """Text of every value as a ``string`` array of the same length; NULL stays NULL."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    return _CANONICAL[logical](array)


def _text(array: pa.Array) -> pa.Array:  # noqa: PLR0911 - one line for each kind
    """Any array as text; bytes that are no UTF-8 show as hex."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pc.cast(array, pa.string())
    if _is_binary(kind):
        try:
            return pc.cast(pc.cast(array, pa.binary()), pa.string())
        except pa.ArrowInvalid:
            return _hex(array)
    if pa.types.is_floating(kind):
        return _float(array)
    if pa.types.is_decimal(kind):
        return _decimal(array)
    if pa.types.is_timestamp(kind):
        return timestamp_text(array)
    if pa.types.is_date(kind):
        return date_text(array)
    if pa.types.is_nested(kind):
        return _list(array)
    return pc.cast(array, pa.string())


def _bool(array: pa.Array) -> pa.Array:
    if not pa.types.is_boolean(array.type):
        text = _text(array)
        lower = pc.utf8_lower(text)
        is_true = pc.is_in(lower, pa.array(["t", "true", "1"]))
        is_false = pc.is_in(lower, pa.array(["f", "false", "0"]))
        return pc.if_else(is_true, "t", pc.if_else(is_false, "f", text))
    return pc.if_else(array, "t", "f")


def _integer(array: pa.Array) -> pa.Array:
    if pa.types.is_integer(array.type):
        return pc.cast(array, pa.string())
    return _number(_text(array))


def _decimal(array: pa.Array) -> pa.Array:
    if pa.types.is_decimal(array.type) or pa.types.is_integer(array.type):
        return _number(pc.cast(array, pa.string()))
    return _number(_text(array))


def _number(text: pa.Array) -> pa.Array:
    """Exact decimal numbers, value-normalised; anything else as it is."""
    plain = pc.match_substring_regex(text, _PLAIN_NUMBER)
    if pc.all(plain, min_count=0).as_py() is not True:
        text = _each(text, pc.invert(plain), _plain_decimal)
    has_point = pc.match_substring(text, ".")
    if pc.any(has_point).as_py():
        trimmed = pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
        text = pc.if_else(pc.and_(has_point, plain), trimmed, text)
    odd = pc.match_substring_regex(text, r"^(-0|-?0[0-9]+(\.[0-9]+)?)$")
    if pc.any(odd).as_py():
        text = _each(text, odd, _plain_decimal)
    return text


def _plain_decimal(text: str) -> str:
    """``-1E-10`` → ``-0.0000000001``; text that is no number stays as it is."""
    if text != text.strip() or "_" in text:
        return text
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    if value.is_nan():
        return "NaN"
    if value.is_infinite():
        return "-Infinity" if value < 0 else "Infinity"
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _LONGEST_EXPANSION:
        return text
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


_LONGEST_EXPANSION = 20_000
"""PostgreSQL's numeric has at most 16 383 digits after the point and 131 072 before it."""


def _float(array: pa.Array) -> pa.Array:
    if pa.types.is_floating(array.type):
        return _float_text(pc.cast(array, pa.float64()))
    if pa.types.is_integer(array.type):
        return _float_text(pc.cast(array, pa.float64(), safe=False))
    text = _text(array)
    try:
        return _float_text(pc.cast(text, pa.float64()))
    except pa.ArrowInvalid:
        return _each(text, pc.is_valid(text), _float_of_text)


def _float_text(values: pa.Array) -> pa.Array:
    text = pc.cast(values, pa.string())
    finite = pc.is_finite(values)
    if pc.all(finite, min_count=0).as_py() is not True:
        named = pc.if_else(
            pc.is_nan(values), "NaN", pc.if_else(pc.greater(values, 0), "Infinity", "-Infinity")
        )
        text = pc.if_else(finite, text, named)
    return text


def _float_of_text(text: str) -> str:
    if text != text.strip() or "_" in text:
        return text
    try:
        return str(_float_text(pa.array([float(text)]))[0].as_py())
    except ValueError:
        return text


def _date(array: pa.Array) -> pa.Array:
    if pa.types.is_date(array.type):
        return date_text(array)
    return normalise_time(_text(array), LogicalType.DATE)


def _timestamp(array: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        return timestamp_text(array)
    return normalise_time(_text(array), LogicalType.TIMESTAMP)


def _timestamptz(array: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        # A naive timestamp can only mean UTC here; whether it may be naive is the type contract's business.
        text = timestamp_text(array)
        finite = pc.match_substring_regex(text, "^[0-9]")
        before_era = pc.match_substring_regex(text, " BC$")
        with_zone = pc.binary_join_element_wise(text, "+00", "")
        if pc.any(before_era).as_py():
            moved = pc.replace_substring_regex(with_zone, r" BC\+00$", "+00 BC")
            with_zone = pc.if_else(before_era, moved, with_zone)
        return pc.if_else(finite, with_zone, text)
    return normalise_time(_text(array), LogicalType.TIMESTAMPTZ)


def _bytes(array: pa.Array) -> pa.Array:
    if _is_binary(array.type):
        return _hex(array)
    text = _text(array)
    is_hex = pc.match_substring_regex(text, r"^\\x([0-9a-fA-F]{2})*$")
    return pc.if_else(is_hex, pc.ascii_lower(text), text)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _hex(array: pa.Array, prefix: str = "\\x") -> pa.Array:
    """All values at once: the hex of the whole buffer, sliced by doubled offsets."""
    array = pc.cast(array, pa.large_binary())
    if len(array) == 0:
        return pa.array([], pa.string())
    array = pa.concat_arrays([array])  # drops a slice's offset
    validity, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8)
    first, last = int(bounds[0]), int(bounds[-1])
    digits = bytes(data[first:last].to_pybytes() if data is not None else b"").hex().encode()
    doubled = ((bounds - first) * 2).astype(np.int64)
    text = pa.Array.from_buffers(
        pa.large_string(), len(array), [validity, pa.py_buffer(doubled), pa.py_buffer(digits)]
    )
    text = pc.cast(text, pa.string())
    return pc.binary_join_element_wise(prefix, text, "") if prefix else text


def _uuid(array: pa.Array) -> pa.Array:
    if _is_binary(array.type):
        digits = _hex(array, prefix="")
        return pc.replace_substring_regex(digits, _UUID_DIGITS, r"\1-\2-\3-\4-\5")
    text = _text(array)
    return pc.if_else(pc.match_substring_regex(text, _UUID_TEXT), pc.ascii_lower(text), text)


_UUID_DIGITS = "^([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$"
_UUID_TEXT = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _json(array: pa.Array) -> pa.Array:
    return _one_by_one(_text(array), memo(canonical_json))


def _list(array: pa.Array) -> pa.Array:
    """List arrays, PostgreSQL's array text, or JSON text → JSON list text."""
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _json_lists(pc.cast(array, pa.list_(kind.value_type)))
    text = _text(array)
    if pc.all(pc.match_substring_regex(text, _PG_INT_ARRAY), min_count=0).as_py() is True:
        text = pc.replace_substring(text, "{", "[")
        text = pc.replace_substring(text, "}", "]")
        return pc.replace_substring(text, "NULL", "null")
    return _one_by_one(text, memo(_list_of_text))


_PG_INT_ARRAY = r"^\{((-?[0-9]+|NULL)(,(-?[0-9]+|NULL))*)?\}$"


def _list_of_text(text: str) -> str:
    return json_list_of_pg_array(text) if text.startswith("{") else canonical_json(text)


def _json_lists(array: pa.Array) -> pa.Array:
    if len(array) == 0:
        return pa.array([], pa.string())
    array = pa.concat_arrays([array])
    if pa.types.is_nested(array.type.value_type):
        inner = _list(array.values)
    elif pa.types.is_integer(array.type.value_type):
        inner = pc.cast(array.values, pa.string())
    else:
        inner = _quoted(_text(array.values))
    inner = pc.fill_null(inner, "null")
    lists = pa.Array.from_buffers(
        pa.list_(pa.string()), len(array), array.buffers()[:2], offset=array.offset, children=[inner]
    )
    return pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")


def _quoted(text: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(text, r'["\\\x00-\x1f\x7f]')
    quoted = pc.binary_join_element_wise('"', text, '"', "")
    if not pc.any(special).as_py():
        return quoted
    return pc.if_else(special, _each(text, special, json_string), quoted)


def _each(text: pa.Array, where: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """``change`` applied one by one to the (few) values that ``where`` picks."""
    picked = pc.fill_null(where, False)
    changed = pa.array([change(value) for value in text.filter(picked).to_pylist()], pa.string())
    return pc.replace_with_mask(text, picked, changed)


def _one_by_one(text: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """``change`` applied to each value."""
    return pa.array([None if v is None else change(v) for v in text.to_pylist()], pa.string())


_CANONICAL: dict[LogicalType, Callable[[pa.Array], pa.Array]] = {
    LogicalType.BOOL: _bool,
    **dict.fromkeys(_INTEGERS, _integer),
    LogicalType.DECIMAL: _decimal,
    LogicalType.FLOAT64: _float,
    LogicalType.TEXT: _text,
    LogicalType.DATE: _date,
    LogicalType.TIMESTAMP: _timestamp,
    LogicalType.TIMESTAMPTZ: _timestamptz,
    LogicalType.BYTES: _bytes,
    LogicalType.UUID: _uuid,
    LogicalType.JSON: _json,
    LogicalType.INT_ARRAY: _list,
    LogicalType.TEXT_ARRAY: _list,
}

assert set(_CANONICAL) == set(LogicalType)
