"""Rows as a vendor's JSON: what JSON can carry, as vendors commonly write the rest.

Decimals are strings (as numbers they would be rounded by most readers), moments RFC 3339 with microseconds
(``Z`` where it is an instant), bytes Base64, JSON documents and arrays nested as they are. NaN and the
infinities are no JSON (RFC 8259, section 6) and become ``null``.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.harness.workload.spec import LogicalType, TableSpec

Texts = Sequence[str | None]


def json_rows(spec: TableSpec, rows: pa.Table) -> list[str]:
    """One JSON object a row, its columns in the order of the table."""
    columns = []
    for column in spec.columns:
        name = json.dumps(column.name)
        texts = _WRITERS.get(column.type, _as_json)(rows.column(column.name))
        columns.append([f"{name}: {'null' if text is None else text}" for text in texts])
    return [f"{{{', '.join(fields)}}}" for fields in zip(*columns, strict=True)]


def _as_json(array: pa.ChunkedArray) -> Texts:
    return [json.dumps(value) for value in array.to_pylist()]


def _float(array: pa.ChunkedArray) -> Texts:
    # repr is the shortest text that reads back as the same double.
    return [None if v is None or not math.isfinite(v) else repr(v) for v in array.to_pylist()]


def _quoted(array: pa.ChunkedArray) -> Texts:
    return [None if v is None else f'"{v}"' for v in array.cast(pa.string()).to_pylist()]


def _moment(array: pa.ChunkedArray) -> Texts:
    zone = "Z" if array.type.tz else ""
    plain = pc.cast(array, pa.timestamp("us")).cast(pa.string()).to_pylist()
    return [None if v is None else f'"{v.replace(" ", "T")}{zone}"' for v in plain]


def _bytes(array: pa.ChunkedArray) -> Texts:
    return [None if v is None else f'"{base64.b64encode(v).decode()}"' for v in array.to_pylist()]


def _document(array: pa.ChunkedArray) -> Texts:
    texts: list[str | None] = array.to_pylist()
    return texts


_WRITERS: dict[LogicalType, Callable[[pa.ChunkedArray], Texts]] = {
    LogicalType.DECIMAL: _quoted,
    LogicalType.FLOAT64: _float,
    LogicalType.DATE: _quoted,
    LogicalType.TIMESTAMP: _moment,
    LogicalType.TIMESTAMPTZ: _moment,
    LogicalType.BYTES: _bytes,
    LogicalType.JSON: _document,
}
