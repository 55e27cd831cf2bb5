"""Where each column of a model comes from, told by the SQL that dbt compiled.

Values only: a column that merely filters or joins is no origin. Needs the tables' columns for ``select *``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Relation = tuple[str, str, str]
"""Database, schema and name; the first two may be empty."""


class Origin(NamedTuple):
    """One column of a table that was read."""

    relation: Relation
    column: str


@dataclass(frozen=True)
class ReadSql:
    """What a query reads, and where its columns come from."""

    reads: frozenset[Relation]
    columns: Mapping[str, frozenset[Origin]]
    """Every output column; computed from no column at all (``count(*)``): the empty set."""


class UnreadableSql(Exception):  # noqa: N818 - says what it is
    """The query cannot be understood; ``str()`` says why, on one line."""


def read_sql(code: str, dialect: str, tables: Mapping[Relation, Mapping[str, str]]) -> ReadSql:
    """Parse and resolve one query. ``tables`` maps relations to their columns' types.

    Raises :class:`UnreadableSql`.
    """
    # Half of the parser's cost is its import, and most commands never need it.
    from sqlglot import exp, parse_one  # noqa: PLC0415
    from sqlglot.errors import SqlglotError  # noqa: PLC0415
    from sqlglot.lineage import lineage  # noqa: PLC0415
    from sqlglot.optimizer.qualify import qualify  # noqa: PLC0415
    from sqlglot.optimizer.scope import build_scope, traverse_scope  # noqa: PLC0415

    schema = _nested(tables)
    try:
        query = qualify(
            parse_one(code, dialect=dialect),
            schema=schema,
            dialect=dialect,
            validate_qualify_columns=False,
        )
        scope = build_scope(query)
        if scope is None or not isinstance(query, exp.Query):
            raise UnreadableSql("it is no query")
        reads = frozenset(
            _relation(source)
            for each in traverse_scope(query)
            for source in each.sources.values()
            if isinstance(source, exp.Table)
        )
        columns = {}
        for select in query.selects:
            name = select.alias_or_name
            if name == "*":
                raise UnreadableSql("`select *` from a table whose columns are unknown")
            root = lineage(name, query, schema=schema, dialect=dialect, scope=scope, trim_selects=False)
            columns[name] = frozenset(
                Origin(_relation(leaf.source), _column(leaf.name))
                for leaf in root.walk()
                # `*`: it comes from there, but nobody knows from which column.
                if not leaf.downstream and isinstance(leaf.source, exp.Table) and _column(leaf.name) != "*"
            )
    except SqlglotError as error:
        raise UnreadableSql(" ".join(str(error).split())[:300]) from None
    except (ValueError, KeyError, RecursionError) as error:
        raise UnreadableSql(f"{type(error).__name__}: {error}"[:300]) from None
    return ReadSql(reads, columns)


def known_dialect(adapter: str) -> bool:
    """Whether the SQL of a dbt adapter can be read."""
    from sqlglot.dialects.dialect import Dialect  # noqa: PLC0415 - see read_sql

    return Dialect.get(adapter) is not None


def parser_version() -> str:
    """Whose reading it is."""
    from importlib.metadata import version  # noqa: PLC0415 - asked once

    return version("sqlglot")


def _nested(tables: Mapping[Relation, Mapping[str, str]]) -> dict[str, object]:
    nested: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for (database, schema, name), columns in tables.items():
        # Quoted: these are the database's own spellings, not something to be folded.
        place = nested.setdefault(_quoted(database), {}).setdefault(_quoted(schema), {})
        place[_quoted(name)] = {_quoted(column): kind for column, kind in columns.items()}
    return dict(nested)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _relation(table: object) -> Relation:
    from sqlglot import exp  # noqa: PLC0415 - see read_sql

    if not isinstance(table, exp.Table):
        raise TypeError(f"{type(table).__name__} is no table")
    return table.catalog, table.db, table.name


def _column(qualified: str) -> str:
    """``alias.column`` as the lineage names its leaves."""
    from sqlglot import exp, parse_one  # noqa: PLC0415 - see read_sql

    parsed = parse_one(qualified, into=exp.Column)
    return parsed.name
