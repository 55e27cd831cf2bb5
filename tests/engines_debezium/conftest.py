"""One PostgreSQL cluster for the whole folder, and for nightly tests one warm driver."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.harness.engines.environment import EngineUnavailable, PreparedEngine, prepare
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.redaction import Redactor


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    cluster = PostgresWheelProvider(redactor=Redactor(), guardian=Guardian()).start("engines-debezium")
    yield cluster
    cluster.stop()


@pytest.fixture
def source_dsn(postgres: PostgresCluster) -> str:
    return postgres.source().dsn


@pytest.fixture
def sink_dsn(postgres: PostgresCluster) -> str:
    return postgres.sink().dsn


@pytest.fixture(scope="session")
def prepared() -> PreparedEngine:
    try:
        return prepare("debezium", load_catalog().engines["debezium"].driver)
    except EngineUnavailable as error:
        pytest.skip(f"Debezium's environment cannot be made here: {error}")
