"""Planted defects: the negative controls of the certification (DESIGN section 9).

One closed enum, one hook point each, switched on by an environment variable when the process starts and
reported in its ``described`` event. Without the variable every hook is inert.
"""

from __future__ import annotations

import os
from enum import StrEnum

VARIABLE = "CERTIFY_PLANTED_DEFECT"


class Defect(StrEnum):
    """What can be planted, and what it does."""

    DROP_LAST_BATCH = "drop_last_batch"
    """The writer forgets to flush its last buffer of rows into staging."""
    ADVANCE_STATE_BEFORE_LOAD = "advance_state_before_load"
    """The stored position moves to 'now' before the rows behind it are selected (from the second run on)."""
    LOSE_DECIMAL_SCALE = "lose_decimal_scale"
    """Decimals are cut to two places while they are read."""
    IGNORE_DELETES = "ignore_deletes"
    """snapshot_diff, cdc and scd2 never act on a key that is gone."""
    TRUNCATE_BEFORE_STAGE = "truncate_before_stage"
    """full_refresh, replace and partition_replace empty the target, and commit that, before they read."""
    COUNT_EXTRACTED_AS_LOADED = "count_extracted_as_loaded"
    """The run record repeats the extracted count as the loaded count."""
    REPLAY_WIDENS_SCOPE = "replay_widens_scope"
    """A resync forgets the lower bound of its scope when it deletes."""
    REPLAY_APPENDS = "replay_appends"
    """A resync inserts what it read, beside what is there."""
    REPLAY_MOVES_STATE = "replay_moves_state"
    """A resync stores 'now' as the position, though it read its scope only."""
    REPLAY_DOES_NOTHING = "replay_does_nothing"
    """A replay reports success without having read or written anything."""
    SLOW_LOAD = "slow_load"
    """Every load does its work and then burns CPU for as long again: right rows, half the speed."""


def planted() -> Defect | None:
    """The defect this process was started with; ``ValueError`` names the choices when it is unknown."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        return None
    try:
        return Defect(name)
    except ValueError:
        raise ValueError(f"{VARIABLE}={name!r}: choose one of {', '.join(Defect)}") from None
