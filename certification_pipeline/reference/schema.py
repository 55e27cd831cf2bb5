"""Columns and their types as the engine thinks of them, whatever system they live in.

Knows no SQL and no driver: dialects render and parse these.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from certification_pipeline.harness.workload.spec import LogicalType

RESERVED_PREFIX = "_certification_"
"""Every staging, shadow, state and control object the engine makes begins with this."""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type by meaning.

    ``kind`` is ``None`` for types outside the type matrix, which only travel between two systems of one
    kind, by their ``native`` name. ``params`` is (precision, scale) of a decimal or (length,) of a text.
    """

    kind: LogicalType | None
    params: tuple[int, ...] = ()
    native: str = field(default="", compare=False)

    def same_as(self, other: ColumnType) -> bool:
        """Whether both hold exactly the same values."""
        if self.kind is None or other.kind is None:
            return self.kind is other.kind and self.native == other.native
        return self == other

    def __str__(self) -> str:
        if self.kind is None:
            return self.native
        return f"{self.kind}({','.join(map(str, self.params))})" if self.params else str(self.kind)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source or sink table."""

    name: str
    type: ColumnType
    nullable: bool = True

    def as_nullable(self) -> Column:
        """The same column, NULL allowed: staging must be able to hold what the target refuses."""
        return replace(self, nullable=True)


DEFAULT_DECIMAL = (38, 10)
"""What an unconstrained decimal becomes in a sink that needs a precision."""


def decimal_params(kind: ColumnType) -> tuple[int, int]:
    """(precision, scale) of a decimal type, with the default where the source gave none."""
    return (kind.params[0], kind.params[1]) if len(kind.params) == 2 else DEFAULT_DECIMAL  # noqa: PLR2004
