"""What strategies need from a SQL dialect; everything else they say the same way to every sink."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference import evolution
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column, ColumnType


class Dialect(ABC):
    """Renders identifiers, literals, types, row comparison and schema steps."""

    longest_name: int | None = None
    """Bytes in an identifier, where the system silently cuts longer ones."""
    folds_case = False
    """Whether ``a`` and ``A`` are one name even when quoted."""

    def fold(self, name: str) -> str:
        """How the system compares names."""
        return "".join(c.lower() if c.isascii() else c for c in name) if self.folds_case else name

    def quote(self, name: str) -> str:
        """A quoted identifier; refuses what the system would cut or cannot hold."""
        if not name or "\0" in name:
            raise LoadError(FailureCategory.CONFIGURATION, f"{name!r} cannot be an identifier")
        if self.longest_name is not None and len(name.encode()) > self.longest_name:
            raise LoadError(
                FailureCategory.SCHEMA,
                f"identifier {name!r} is longer than {self.longest_name} bytes: choose a shorter one",
            )
        return '"' + name.replace('"', '""') + '"'

    def table(self, namespace: str, name: str) -> str:
        """A quoted, qualified table name."""
        return f"{self.quote(namespace)}.{self.quote(name)}" if namespace else self.quote(name)

    def names(self, columns: Sequence[str], prefix: str = "") -> str:
        """A comma-separated list of quoted names, each behind ``prefix``."""
        return ", ".join(f"{prefix}{self.quote(name)}" for name in columns)

    def literal(self, value: str) -> str:
        """A string literal."""
        if "\0" in value:
            raise LoadError(FailureCategory.DATA, "a NUL character cannot be in a SQL literal")
        return "'" + value.replace("'", "''") + "'"

    def definition(self, column: Column) -> str:
        """A column definition for CREATE TABLE or ADD COLUMN."""
        return (
            f"{self.quote(column.name)} {self.type_name(column.type)}{'' if column.nullable else ' NOT NULL'}"
        )

    def create(self, table: str, columns: Sequence[Column]) -> str:
        """CREATE TABLE."""
        return f"CREATE TABLE {table} ({', '.join(map(self.definition, columns))})"

    def same(self, left: str, right: str) -> str:
        """NULL-safe equality."""
        return f"{left} IS NOT DISTINCT FROM {right}"

    def as_text(self, expression: str) -> str:
        """The value as text, such that the source can read it back."""
        return f"CAST({expression} AS VARCHAR)"

    def of_type(self, text: str, column_type: ColumnType) -> str:
        """A value of that type, written as text."""
        return f"CAST({self.literal(text)} AS {self.type_name(column_type)})"

    @abstractmethod
    def type_name(self, column_type: ColumnType) -> str:
        """The physical type."""

    @abstractmethod
    def differs(self, columns: Sequence[Column], left: str, right: str) -> str:
        """Whether two rows differ in any of ``columns``: bit-exact, NULL-safe."""

    def unsettle(self, columns: Sequence[Column], left: str, right: str) -> list[tuple[Column, str, str]]:
        """What must be written before an update, or the system would take the old value for the new one.

        (column, value to write first, condition); both rows are in scope as ``left`` and ``right``.
        """
        return []

    @abstractmethod
    def schema_steps(
        self, table: str, steps: Sequence[evolution.Step], before: Sequence[Column], keys: Sequence[str]
    ) -> list[str]:
        """DDL for the planner's steps; ``before`` are the table's columns as introspected."""
