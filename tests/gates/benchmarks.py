"""The seeds' benchmark request (seed 003, Quickstart)."""

from __future__ import annotations

METRICS = '{"throughput_rows_per_second":95000}'
BASELINE = '{"throughput_rows_per_second":{"value":100000,"direction":"higher"}}'
