"""PostgreSQL's text values as Arrow columns: exact, typed, NULL apart from empty.

Nothing is guessed from the values: each column is parsed as the type it was declared with, and a value
that does not fit is a ``data`` failure, never a rounded one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.workload.spec import ARROW_TYPES, LogicalType
from certification_pipeline.reference.artifacts import Artifact
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column, ColumnType, decimal_params

_AS_TEXT = (LogicalType.BYTES, LogicalType.INT_ARRAY, LogicalType.TEXT_ARRAY)
"""Types that CSV has no syntax for: read as text, converted after."""
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)', re.DOTALL)
_INFINITE = frozenset({"infinity", "-infinity"})


def arrow_type(column_type: ColumnType) -> pa.DataType:
    """How values of that type travel in Arrow."""
    assert column_type.kind is not None
    if column_type.kind is LogicalType.DECIMAL:
        return pa.decimal128(*decimal_params(column_type))
    return ARROW_TYPES[column_type.kind]


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of :func:`arrow_batches`."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in columns])


def arrow_batches(artifact: Artifact, columns: Sequence[Column]) -> Iterator[pa.Table]:
    """An artifact's rows, a table a block; raises :class:`LoadError` ``data`` for values that do not fit."""
    schema = arrow_schema(columns)
    # Positions as names: the real names may be anything, and must not mean anything to a parser.
    names = [str(position) for position in range(len(columns))]
    types = {
        name: pa.string() if column.type.kind in _AS_TEXT else schema.field(position).type
        for position, (name, column) in enumerate(zip(names, columns, strict=True))
    }
    convert = pa_csv.ConvertOptions(
        column_types=types,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    parse = pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
    for block in artifact.blocks():
        if not block:
            continue
        read = pa_csv.ReadOptions(column_names=names, block_size=len(block) + 1)
        try:
            table = pa_csv.read_csv(pa.BufferReader(block), read, parse, convert)
            arrays = [_converted(table.column(i), c.type) for i, c in enumerate(columns)]
        except (pa.ArrowInvalid, ValueError) as error:
            raise LoadError(FailureCategory.DATA, _explain(str(error), columns)) from None
        yield pa.table(arrays, schema=schema)


def _converted(values: pa.ChunkedArray, column_type: ColumnType) -> pa.ChunkedArray:
    match column_type.kind:
        case LogicalType.BYTES:
            return pa.chunked_array(
                [[None if v is None else bytes.fromhex(v[2:]) for v in values.to_pylist()]], pa.binary()
            )
        case LogicalType.INT_ARRAY:
            lists = [None if v is None else int_elements(v) for v in values.to_pylist()]
            return pa.chunked_array([lists], ARROW_TYPES[LogicalType.INT_ARRAY])
        case LogicalType.TEXT_ARRAY:
            texts = [None if v is None else elements(v) for v in values.to_pylist()]
            return pa.chunked_array([texts], ARROW_TYPES[LogicalType.TEXT_ARRAY])
    return values


def int_elements(literal: str) -> list[int | None]:
    """``{1,NULL,3}`` as integers."""
    return [None if element is None else int(element) for element in elements(literal)]


def elements(literal: str) -> list[str | None]:
    """The elements of a one-dimensional array literal (PostgreSQL manual, 8.15.6)."""
    if not literal.startswith("{") or literal.startswith("{{"):
        raise LoadError(
            FailureCategory.DATA,
            "an array of more than one dimension, or not beginning at 1, has no place in the sink",
        )
    found: list[str | None] = []
    for match in _ELEMENT.finditer(literal, 1, len(literal) - 1):
        quoted, plain = match.groups()
        if quoted is not None:
            found.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        else:
            found.append(None if plain.upper() == "NULL" else plain)
    return found


def _explain(message: str, columns: Sequence[Column]) -> str:
    """Which column and type, without the value: row values stay out of messages."""
    match = re.search(r"[Cc]olumn #(\d+)", message)
    if match is None:
        return "a value at the source does not fit the type of its column"
    column = columns[int(match[1])]
    hint = ""
    if any(word in message.lower() for word in _INFINITE):
        hint = "; infinite dates have no place outside PostgreSQL"
    return f"column {column.name!r}: a value does not fit {column.type} as the sink holds it{hint}"
