"""In which manner a change round is done at the source: other statements, the same rows in the end.

The model of what is right knows rounds only; so a source is disturbed by doing a round in an unusual way.
"""

from __future__ import annotations

from enum import StrEnum


class Manner(StrEnum):
    """What is done instead of plain inserts, updates and deletes."""

    PLAIN = "plain"
    KEYS_MOVE = "keys_move"
    """Deleted rows become the inserted ones by an UPDATE of their key; updated rows exchange their keys with
    each other, by way of negative keys that are gone when the transaction ends."""
    DELETE_AND_INSERT = "delete_and_insert"
    """Updated rows are deleted and inserted again; inserted rows are inserted, deleted and inserted."""
    DELETE_COMMIT_INSERT = "delete_commit_insert"
    """The same, with a commit between the delete and the last insert."""
    TRUNCATE = "truncate"
    """The table is truncated and filled again with all its rows: no row is ever deleted by itself."""
    TWO_LAYOUTS = "two_layouts"
    """Updated rows are updated twice: before the round's drift (a column that is added) and after it, each
    in a transaction of its own."""
