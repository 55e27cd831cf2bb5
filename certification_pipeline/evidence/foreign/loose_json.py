"""JSON as other tools write it: read once, with what is no JSON remembered instead of refused.

Python's ``json`` writes ``NaN``, ``Infinity`` and ``-Infinity`` and reads the last of two equal keys. Whoever
reads such a file must know that it holds them; depth and duplicate keys are refused, as nobody can say what
they mean.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json

from certification_pipeline.evidence.errors import EvidenceError

_REMEDY = "Have the tool that wrote it write it again"


@dataclass(frozen=True, slots=True)
class LooseJson:
    """A value, and the numbers in it that no JSON has, as they are spelt."""

    value: JsonValue
    constants: tuple[str, ...]


def parse_loosely(data: bytes, path: str) -> LooseJson:
    """Raises EvidenceError for what is no JSON, too deep, or holds a key twice."""
    try:
        from_json(data, allow_inf_nan=True)  # refuses what is too deep, which Python's reader dies of
    except ValueError as error:
        raise EvidenceError(path, None, f"is not well-formed JSON: {error}", _REMEDY) from None
    constants: list[str] = []

    def constant(text: str) -> float:
        constants.append(text)
        return float(text)

    def number(text: str) -> float:
        parsed = float(text)
        return parsed if math.isfinite(parsed) else constant(text)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, item in items:
            if key in seen:
                raise EvidenceError(
                    path, key[:80], "is there twice: no one can say which value counts", _REMEDY
                )
            seen[key] = item
        return seen

    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=pairs, parse_float=number, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(path, None, f"is not well-formed JSON: {error}", _REMEDY) from None
    return LooseJson(value, tuple(constants))
