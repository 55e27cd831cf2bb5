"""The net effect of a stretch of the log: for each key its last row, or that it is gone.

Applied in commit order; a truncate forgets what came before it. Rows are dictionaries of text values by
column, for the layout of a table may change within the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sources.pgoutput import (
    Delete,
    Insert,
    Relation,
    Truncate,
    Unchanged,
    Update,
    Value,
    Values,
)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetRow:
    """What is to become of one key. ``values`` is ``None`` when it is gone.

    ``origin`` is the key under which the target has the values the log left out.
    """

    values: dict[str, Value] | None
    origin: Key


@dataclass
class Net:
    """Collects changes of one table."""

    key_columns: tuple[str, ...]
    rows: dict[Key, NetRow] = field(default_factory=dict)
    truncated: bool = False
    changes: int = 0
    defect: Defect | None = None

    def apply(self, change: Insert | Update | Delete | Truncate, relation: Relation | None) -> None:
        """One change, in commit order."""
        self.changes += 1
        if isinstance(change, Truncate):
            self.rows.clear()
            self.truncated = True
            return
        assert relation is not None
        if isinstance(change, Insert):
            values = _named(relation, change.new)
            key = self._key(values)
            if self.defect is Defect.DELETES_WIN and key in self.rows and self.rows[key].values is None:
                return
            self.rows[key] = NetRow(values, key)
        elif isinstance(change, Delete):
            key = self._key(_named(relation, change.old))
            self.rows[key] = NetRow(None, key)
        else:
            self._update(relation, change)

    def _update(self, relation: Relation, change: Update) -> None:
        values = _named(relation, change.new)
        old = _named(relation, change.old) if change.old is not None else None
        if old is not None:
            # With REPLICA IDENTITY FULL the old row still has what the new one leaves out.
            values.update(
                {c: old[c] for c, v in values.items() if v is Unchanged.TOAST and old[c] is not None}
            )
        key = self._key(values)
        old_key = self._key(old) if old is not None else key
        before = self.rows.get(old_key)
        origin = old_key
        if before is not None and before.values is not None:
            known, origin = before.values, before.origin
            values.update({c: known[c] for c, v in values.items() if v is Unchanged.TOAST and c in known})
        if old_key != key and self.defect is not Defect.FORMER_KEY_KEPT:
            self.rows[old_key] = NetRow(None, old_key)
        self.rows[key] = NetRow(values, origin)

    def _key(self, values: dict[str, Value]) -> Key:
        key = tuple(values.get(column) for column in self.key_columns)
        if not all(isinstance(part, str) for part in key):
            raise LoadError(
                FailureCategory.UNSUPPORTED,
                f"the log does not carry the key ({', '.join(self.key_columns)}): "
                f"it must be the table's replica identity",
            )
        return tuple(str(part) for part in key)


def _named(relation: Relation, values: Values) -> dict[str, Value]:
    return dict(zip(relation.columns, values, strict=True))
