"""One disposable PostgreSQL for this folder; an oracle and a place for sinks for each test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from certification_pipeline import catalog
from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.redaction import Redactor
from tests.oracle.judging import ROWS

from .fake import FakeWorkload
from .sinks import Sinks


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    with Guardian() as guardian:
        provider = PostgresWheelProvider(redactor=Redactor(), guardian=guardian)
        cluster = provider.start("oracle-tests")
        try:
            yield cluster.sink().dsn
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def types() -> Mapping[str, Mapping[str, TypeRule]]:
    path = Path(str(catalog.__file__)).parent / "data" / "types.yaml"
    return {
        system: {logical: TypeRule(**rule) for logical, rule in rules.items()}
        for system, rules in yaml.safe_load(path.read_text()).items()
    }


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with Oracle(tmp_path_factory.mktemp("oracle")) as one:
        yield one


@pytest.fixture
def sinks(tmp_path: Path, types: Mapping[str, Mapping[str, TypeRule]]) -> Sinks:
    return Sinks(tmp_path, None, types)


@pytest.fixture
def all_sinks(tmp_path: Path, postgres_dsn: str, types: Mapping[str, Mapping[str, TypeRule]]) -> Sinks:
    return Sinks(tmp_path, postgres_dsn, types)


@pytest.fixture
def workload() -> FakeWorkload:
    return FakeWorkload(ROWS)
