"""One disposable PostgreSQL for this folder; each test gets a schema of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.redaction import Redactor

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with Guardian() as guardian:
        provider = PostgresWheelProvider(redactor=Redactor(), guardian=guardian)
        cluster = provider.start("workload-tests")
        try:
            yield cluster.source().dsn
        finally:
            cluster.stop()


@pytest.fixture
def namespace() -> str:
    return f"cell_{next(_numbers)}"
