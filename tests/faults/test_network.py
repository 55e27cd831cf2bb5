"""What happens to connections on a wire, seen from both ends."""

from __future__ import annotations

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.network import Reset
from tests.faults.conftest import Wired


def test_a_reset_in_mid_batch_reaches_connections_that_were_open_before(wired: Wired) -> None:
    fault = Reset(Side.SINK, after_bytes=100_000)
    with (
        psycopg.connect(wired.link.dsn) as pooled,
        wired.under(fault),
        pytest.raises(psycopg.OperationalError),
    ):
        _copy(pooled, wired.table, rows=100_000)
    assert fault.witness() == {"connection": 1, "bytes": 100_000, "direction": "up"}
    assert wired.ids() == []
    with psycopg.connect(wired.link.dsn) as again:
        assert again.execute("SELECT 1").fetchone() == (1,)


def test_a_reset_that_was_never_due_has_no_witness(wired: Wired) -> None:
    fault = Reset(Side.SINK, after_bytes=1_000_000)
    with wired.under(fault), psycopg.connect(wired.link.dsn) as client:
        client.execute("SELECT 1")
    assert fault.witness() is None


def _copy(client: psycopg.Connection, table: str, rows: int) -> None:
    with client.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for number in range(rows):
            copy.write_row((number, "x" * 20))
