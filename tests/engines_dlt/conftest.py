"""One PostgreSQL cluster and one warm dlt driver for the whole folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.harness.engines.environment import EngineUnavailable, PreparedEngine, prepare
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.redaction import Redactor
from tests.engines_dlt.talking import Cell, Driver


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    cluster = PostgresWheelProvider(redactor=Redactor(), guardian=Guardian()).start("engines-dlt")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def prepared() -> PreparedEngine:
    try:
        return prepare("dlt", DriverSpec(script="driver.py", lock="driver.lock"))
    except EngineUnavailable as error:
        pytest.skip(f"dlt's environment cannot be made here: {error}")


@pytest.fixture(scope="session")
def driver(prepared: PreparedEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(prepared, tmp_path_factory.mktemp("driver")) as running:
        yield running


@pytest.fixture
def cell(
    request: pytest.FixtureRequest, postgres: PostgresCluster, driver: Driver, tmp_path: Path
) -> Iterator[Cell]:
    """A source schema, a sink namespace, a state folder and files of its own for each test."""
    name = re.sub(r"\W+", "_", request.node.name)[:50].lower()
    made = Cell(name, postgres.source().dsn, postgres.sink().dsn, driver, tmp_path)
    made.create()
    yield made
    made.drop()
