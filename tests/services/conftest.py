"""One cluster for all tests that only use one; the cache is the developer's own, so that starts are quick."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.redaction import Redactor


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    with Guardian() as watching:
        yield watching


@pytest.fixture(scope="session")
def provider(redactor: Redactor, guardian: Guardian) -> PostgresWheelProvider:
    return PostgresWheelProvider(redactor=redactor, guardian=guardian)


@pytest.fixture(scope="session")
def cluster(provider: PostgresWheelProvider) -> Iterator[PostgresCluster]:
    instance = provider.start("tests")
    yield instance
    instance.stop()
