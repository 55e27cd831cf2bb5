"""Planted defects: the negative controls of the certification (DESIGN section 9).

One closed enum, one hook point each, switched on by an environment variable when the process starts and
reported in its ``described`` event. Without the variable every hook is inert. What each does, which defects
of real engines it stands for and which cells must find it is data: ``catalog/data/calibration``.
"""

from __future__ import annotations

import os
from enum import StrEnum

VARIABLE = "CERTIFY_PLANTED_DEFECT"


class Defect(StrEnum):
    """What can be planted."""

    # rows that are read
    DROP_LAST_BATCH = "drop_last_batch"
    DROP_FIRST_ROW = "drop_first_row"
    DROP_ROW_AT_SEAM = "drop_row_at_seam"
    HOARD_ROWS = "hoard_rows"
    FAIL_ON_EMPTY = "fail_on_empty"

    # values
    LOSE_DECIMAL_SCALE = "lose_decimal_scale"
    FLOATS_THROUGH_TEXT = "floats_through_text"
    INTEGERS_THROUGH_DOUBLE = "integers_through_double"
    TIMES_TO_SECONDS = "times_to_seconds"
    LOCAL_TIME = "local_time"
    OLD_DATES_TO_NULL = "old_dates_to_null"
    EMPTY_TEXT_TO_NULL = "empty_text_to_null"
    NULL_TO_EMPTY_TEXT = "null_to_empty_text"
    NEWLINES_NORMALISED = "newlines_normalised"
    BYTES_END_AT_ZERO = "bytes_end_at_zero"
    JSON_NULL_TO_NULL = "json_null_to_null"
    NULL_ELEMENTS_DROPPED = "null_elements_dropped"

    # positions
    ADVANCE_STATE_BEFORE_LOAD = "advance_state_before_load"
    CURSOR_STRICTLY_ABOVE = "cursor_strictly_above"
    TIES_TWICE = "ties_twice"
    NULL_CURSORS_SWALLOWED = "null_cursors_swallowed"
    NULL_CURSORS_ONCE = "null_cursors_once"
    XMIN_FORGETS_OPEN = "xmin_forgets_open"
    LOST_FOLDER_MEANS_NOW = "lost_folder_means_now"
    RESTART_MEANS_NOW = "restart_means_now"
    TRUSTS_THE_CLOCK = "trusts_the_clock"
    SLICE_END_INCLUDED = "slice_end_included"
    SLICE_START_EXCLUDED = "slice_start_excluded"
    BACKFILL_FORGETS_CHUNKS = "backfill_forgets_chunks"
    BACKFILL_ENDS_EARLY = "backfill_ends_early"
    LOG_TAIL_SKIPPED = "log_tail_skipped"
    LOOKBACK_IGNORED = "lookback_ignored"
    SLOT_COMMITTED_ON_READ = "slot_committed_on_read"
    SLOT_LOSS_UNNOTICED = "slot_loss_unnoticed"
    SNAPSHOT_BEFORE_SLOT = "snapshot_before_slot"
    RESNAPSHOT_APPENDED = "resnapshot_appended"

    # what the log says
    ABORTS_UNHEARD = "aborts_unheard"
    TRUNCATE_IGNORED = "truncate_ignored"
    FORMER_KEY_KEPT = "former_key_kept"
    DELETES_WIN = "deletes_win"
    FIRST_LAYOUT_KEPT = "first_layout_kept"

    # what is written
    TRUNCATE_BEFORE_STAGE = "truncate_before_stage"
    IGNORE_DELETES = "ignore_deletes"
    INSERT_INSTEAD_OF_MERGE = "insert_instead_of_merge"
    MERGE_NEVER_UPDATES = "merge_never_updates"
    DIFF_BLIND_TO_NULL = "diff_blind_to_null"
    REWRITE_WHEN_IDLE = "rewrite_when_idle"
    SLICE_APPENDED = "slice_appended"
    PARTITIONS_ALL_REPLACED = "partitions_all_replaced"
    HISTORY_NEVER_CLOSED = "history_never_closed"
    HISTORY_ALWAYS_CLOSED = "history_always_closed"
    HISTORY_OVERLAPS = "history_overlaps"
    HISTORY_OPENS_ONCE = "history_opens_once"

    # columns
    NEW_COLUMNS_IGNORED = "new_columns_ignored"
    DROPPED_COLUMN_KEPT_AS_IT_WAS = "dropped_column_kept_as_it_was"
    STALE_TYPE = "stale_type"
    NARROWER_REFUSED = "narrower_refused"
    RENAME_GUESSED = "rename_guessed"
    NOT_NULL_KEPT = "not_null_kept"
    NAMES_FOLDED = "names_folded"
    WIDE_TABLES_CUT = "wide_tables_cut"

    # broken loads
    STATE_COMMITTED_FIRST = "state_committed_first"
    SWAP_IN_STEPS = "swap_in_steps"
    TARGET_UNLOGGED = "target_unlogged"
    NOTHING_LOCKED = "nothing_locked"
    BROKEN_STREAM_ENDS = "broken_stream_ends"
    RETRY_BELIEVED_DONE = "retry_believed_done"
    DEADLINE_OF_A_SECOND = "deadline_of_a_second"
    LOCK_FILE_LEFT = "lock_file_left"
    SILENCE_UNNOTICED = "silence_unnoticed"
    STALE_FOLDER_MEANS_DONE = "stale_folder_means_done"

    # what is said
    COUNT_EXTRACTED_AS_LOADED = "count_extracted_as_loaded"
    COUNT_STAGED_AS_FINAL = "count_staged_as_final"
    COUNT_UPDATES_AS_INSERTS = "count_updates_as_inserts"
    RUN_ID_OF_ITS_OWN = "run_id_of_its_own"
    PEAK_MEMORY_UNTOLD = "peak_memory_untold"
    EVERY_FAILURE_INTERNAL = "every_failure_internal"
    SECRET_IN_MESSAGE = "secret_in_message"  # noqa: S105 - a name
    ERRORS_SWALLOWED = "errors_swallowed"

    # replays and speed: seen by evidence families other than the matrix
    REPLAY_WIDENS_SCOPE = "replay_widens_scope"
    REPLAY_APPENDS = "replay_appends"
    REPLAY_MOVES_STATE = "replay_moves_state"
    REPLAY_DOES_NOTHING = "replay_does_nothing"
    SLOW_LOAD = "slow_load"

    # two-phase commit
    PREPARE_IN_NAME_ONLY = "prepare_in_name_only"
    DECIDE_AFTER_COMMIT = "decide_after_commit"
    FORGET_TO_RESOLVE = "forget_to_resolve"
    COMMIT_IN_DOUBT = "commit_in_doubt"
    LEAVE_PREPARED_BEHIND = "leave_prepared_behind"

    # what a vendor's API answers
    IGNORE_RETRY_AFTER = "ignore_retry_after"
    RETRY_WITHOUT_END = "retry_without_end"
    REFRESH_EVERY_REQUEST = "refresh_every_request"
    KEEP_HALF_PAGE = "keep_half_page"
    SKIP_POISON_PAGE = "skip_poison_page"
    PAGE_BY_NUMBER = "page_by_number"
    STOP_AT_SHORT_PAGE = "stop_at_short_page"
    STOP_AT_EMPTY_PAGE = "stop_at_empty_page"
    FOLLOW_LOOP = "follow_loop"
    DROP_LAST_PAGE = "drop_last_page"


def planted() -> Defect | None:
    """The defect this process was started with; ``ValueError`` names the choices when it is unknown."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        return None
    try:
        return Defect(name)
    except ValueError:
        raise ValueError(f"{VARIABLE}={name!r}: choose one of {', '.join(Defect)}") from None
