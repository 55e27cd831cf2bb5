"""Canonical JSON text and JSON strings; PostgreSQL's array text as JSON lists.

Numbers are compared by exact decimal value: nothing is rounded through a binary float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

_MEMO_ENTRIES = 100_000
_MEMO_LONGEST = 2_000
_LONGEST_PLAIN = 400


def memo(change: Callable[[str], str]) -> Callable[[str], str]:
    """``change`` remembered for short texts: the same workload values return in every cell."""
    return _MEMOS.get(change) or _MEMOS.setdefault(change, _memo(change))


_MEMOS: dict[Callable[[str], str], Callable[[str], str]] = {}


def _memo(change: Callable[[str], str]) -> Callable[[str], str]:
    cached = lru_cache(_MEMO_ENTRIES)(change)
    return lambda text: cached(text) if len(text) <= _MEMO_LONGEST else change(text)


def canonical_json(text: str) -> str:
    """Sorted keys, no white space, exact numbers; text that is not JSON stays as it is."""
    exact = False

    def real(number: str) -> Decimal:
        nonlocal exact
        exact = True
        return Decimal(number)

    def whole(number: str) -> int | Decimal:
        # int() refuses thousands of digits and is slow on them.
        return int(number) if len(number) < _LONGEST_PLAIN else real(number)

    try:
        value = json.loads(text, parse_float=real, parse_int=whole, parse_constant=_refuse)
        return _write(value) if exact else _dumps(value)
    except (ValueError, RecursionError, ArithmeticError):
        return text


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _dumps(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text


def _write(value: object) -> str:
    match value:
        case Decimal():
            return _number(value)
        case dict():
            return "{" + ",".join(f"{_dumps(k)}:{_write(v)}" for k, v in sorted(value.items())) + "}"
        case list():
            return "[" + ",".join(map(_write, value)) + "]"
        case _:
            return _dumps(value)


def _number(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # NaN and infinities, which JSON cannot spell
        raise ArithmeticError(value)  # noqa: TRY004 - a value, not a type, is wrong
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0"
    exponent += len(text) - len(stripped)
    minus = "-" if sign else ""
    if exponent > _LONGEST_PLAIN or exponent < -_LONGEST_PLAIN:
        return f"{minus}{stripped}E{exponent}"
    if exponent >= 0:
        return minus + stripped + "0" * exponent
    padded = stripped.rjust(-exponent + 1, "0")
    return f"{minus}{padded[:exponent]}.{padded[exponent:]}"


def json_string(text: str) -> str:
    """One JSON string literal."""
    return _dumps(text)


_PG_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{},])|([^{},"\\]+)', re.DOTALL)
_BACKSLASHED = re.compile(r"\\(.)", re.DOTALL)


def json_list_of_pg_array(text: str) -> str:
    """``{a,NULL,"b c"}`` → ``["a",null,"b c"]``; integers stay numbers; other text stays as it is.

    Format: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    parts: list[str] = []
    position = depth = 0
    while position < len(text):
        token = _PG_TOKEN.match(text, position)
        if token is None:
            return text
        position = token.end()
        quoted, mark, bare = token.groups()
        if mark:
            depth += {"{": 1, "}": -1, ",": 0}[mark]
            parts.append({"{": "[", "}": "]", ",": ","}[mark])
        elif quoted is not None:
            parts.append(_dumps(_BACKSLASHED.sub(r"\1", quoted)))
        else:
            parts.append("null" if bare == "NULL" else _dumps(bare))
    return "".join(parts) if depth == 0 else text
