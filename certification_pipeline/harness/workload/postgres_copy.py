"""Arrow rows as PostgreSQL COPY input, and logical types as PostgreSQL types.

CSV with every value quoted and NULL unquoted: the one COPY form in which NULL, an empty string and
the text ``\\N`` cannot be confused. Knows nothing of connections.
"""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from certification_pipeline.harness.workload.spec import LogicalType

POSTGRES_TYPES: dict[LogicalType, str] = {
    LogicalType.BOOL: "boolean",
    LogicalType.INT16: "smallint",
    LogicalType.INT32: "integer",
    LogicalType.INT64: "bigint",
    LogicalType.DECIMAL: "numeric(38,10)",
    LogicalType.FLOAT64: "double precision",
    LogicalType.TEXT: "text",
    LogicalType.DATE: "date",
    LogicalType.TIMESTAMP: "timestamp without time zone",
    LogicalType.TIMESTAMPTZ: "timestamp with time zone",
    LogicalType.BYTES: "bytea",
    LogicalType.UUID: "uuid",
    LogicalType.JSON: "jsonb",
    LogicalType.INT_ARRAY: "bigint[]",
    LogicalType.TEXT_ARRAY: "text[]",
}

COPY_OPTIONS = "(FORMAT csv, ENCODING 'UTF8')"
_CSV = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def copy_csv(batch: pa.RecordBatch) -> bytes:
    """One batch for ``COPY … FROM STDIN`` with :data:`COPY_OPTIONS`."""
    sink = io.BytesIO()
    pa_csv.write_csv(pa.record_batch([_printable(a) for a in batch.columns], batch.schema.names), sink, _CSV)
    return sink.getvalue()


def _printable(values: pa.Array) -> pa.Array:
    if pa.types.is_binary(values.type):
        return _hex(values)
    if pa.types.is_list(values.type):
        return _array_literals(values)
    return values


def _hex(values: pa.Array) -> pa.Array:
    r"""``\x…`` as bytea reads it."""
    _, offset_buffer, data_buffer = values.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    data = np.frombuffer(data_buffer or b"", dtype=np.uint8)[offsets[0] : offsets[-1]]
    digits = np.empty(2 * len(data), dtype=np.uint8)
    digits[0::2], digits[1::2] = _HEX[data >> 4], _HEX[data & 15]
    buffers = [None, pa.py_buffer((offsets - offsets[0]) * 2), pa.py_buffer(digits)]
    text = pa.Array.from_buffers(pa.string(), len(values), buffers)
    return _with_nulls(pc.binary_join_element_wise("\\x", text, ""), values)


def _array_literals(values: pa.Array) -> pa.Array:
    """``{1,NULL}``, ``{"a","b"}`` as array columns read it."""
    elements = values.flatten()
    if pa.types.is_string(elements.type):
        escaped = pc.replace_substring(pc.replace_substring(elements, "\\", "\\\\"), '"', '\\"')
        elements = pc.binary_join_element_wise('"', escaped, '"', "")
    text = elements.cast(pa.string()).fill_null("NULL")
    lengths = pc.list_value_length(values).fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), text), ",")
    return _with_nulls(pc.binary_join_element_wise("{", joined, "}", ""), values)


def _with_nulls(text: pa.Array, original: pa.Array) -> pa.Array:
    return pc.if_else(original.is_null(), pa.scalar(None, pa.string()), text) if original.null_count else text
