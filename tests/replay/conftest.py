"""Releases with a few cells to replay, made by the pipeline."""

from __future__ import annotations

from tests.pipeline.conftest import Release, Run, again, catalog, green, run, server

__all__ = ["Release", "Run", "again", "catalog", "green", "run", "server"]
