"""What a command's exit code says about an outcome (DESIGN section 13)."""

from __future__ import annotations

from typing import Literal

from certification_pipeline.catalog.vocabulary import Outcome

GREEN: Literal[0] = 0
RED: Literal[1] = 1
INCONCLUSIVE: Literal[3] = 3


def exit_code(outcome: Outcome) -> Literal[0, 1, 3]:
    """0 passed, 1 failed, 3 nothing was proved either way. 2 is for wrong usage, which no gate sees."""
    if outcome is Outcome.PASSED:
        return GREEN
    return RED if outcome is Outcome.FAILED else INCONCLUSIVE
