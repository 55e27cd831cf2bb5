"""Bytes that a writer put into a Parquet text column must be a difference, not the end of the judging."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from certification_pipeline.harness.oracle.readers.parquet_directory import open_parquet


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_text_that_is_no_utf8_is_read_and_shows(tmp_path: Path, kind: pa.DataType) -> None:
    raw = pa.array([b"plain", None, b"\xcb\xef"], pa.large_binary())
    (tmp_path / "n" / "t").mkdir(parents=True)
    wide = pa.large_string() if kind == pa.large_string() else pa.string()
    broken = pa.Array.from_buffers(
        wide, 3, (raw if wide == pa.large_string() else raw.cast(pa.binary())).buffers()
    )
    pq.write_table(pa.table({"v": broken}), tmp_path / "n" / "t" / "a.parquet")
    with open_parquet(str(tmp_path), "n", "t") as reader:
        assert reader is not None
        (batch,) = reader.batches(["v"])
    batch.validate(full=True)
    assert batch.column("v").to_pylist() == ["plain", None, "\\xcb\\xef"]
