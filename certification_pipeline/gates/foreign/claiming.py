"""The five answers to a claim, in few words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.claims import ForeignClaim

LONGEST = 200
"""Characters of a stated or recomputed text."""
EXAMPLES = 3


def agrees(claim: str, stated: JsonValue, why: str) -> ForeignClaim:
    """Recomputed from what lies underneath; the same came out."""
    return _made(claim, stated, stated, Outcome.PASSED, why)


def contradicts(claim: str, stated: JsonValue, recomputed: JsonValue, why: str) -> ForeignClaim:
    """Recomputed from what lies underneath; something else came out."""
    return _made(claim, stated, recomputed, Outcome.FAILED, why)


def not_here(claim: str, stated: JsonValue, why: str) -> ForeignClaim:
    """It could be recomputed, had one the files it speaks of."""
    return _made(claim, stated, None, Outcome.CANT_TELL, why)


def unproven(claim: str, stated: JsonValue, why: str) -> ForeignClaim:
    """No file can show it: it was declared, or both sides of it were computed by one function."""
    return _made(claim, stated, None, Outcome.UNTESTED, why)


def nothing(claim: str, stated: JsonValue, why: str) -> ForeignClaim:
    """It claims nothing that could be wrong."""
    return _made(claim, stated, None, Outcome.INAPPLICABLE, why)


def held(claim: str, stated: JsonValue, recomputed: JsonValue, why: str, unless: str) -> ForeignClaim:
    """Agrees with ``why`` when both are the same, else contradicts with ``unless``."""
    if stated == recomputed and type(stated) is type(recomputed):
        return agrees(claim, stated, why)
    return contradicts(claim, stated, recomputed, unless)


def examples(names: Iterable[str]) -> str:
    """``a, b, c and 4 more``."""
    every = tuple(names)
    shown = ", ".join(name[:LONGEST] for name in every[:EXAMPLES])
    return f"{shown} and {len(every) - EXAMPLES} more" if len(every) > EXAMPLES else shown


def _made(claim: str, stated: JsonValue, recomputed: JsonValue, outcome: Outcome, why: str) -> ForeignClaim:
    return ForeignClaim(
        claim=claim[:LONGEST],
        stated=_short(stated),
        recomputed=_short(recomputed),
        outcome=outcome,
        why=why,
    )


def _short(value: JsonValue) -> JsonValue:
    """Finite, and no longer than a line: what is shown is not the evidence."""
    if isinstance(value, float) and math.isfinite(value):
        return value
    if value is None or isinstance(value, bool | int):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
