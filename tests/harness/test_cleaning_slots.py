"""What a cell leaves in PostgreSQL goes with it; what is another's stays."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from certification_pipeline.harness.cleaning import clean_namespace
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.redaction import Redactor

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresCluster]:
    cluster = PostgresWheelProvider(redactor=Redactor(), guardian=Guardian()).start("cleaning")
    yield cluster
    cluster.stop()


def test_slots_and_publications_of_the_namespace_go(postgres: PostgresCluster) -> None:
    with psycopg.connect(postgres.source().dsn, autocommit=True) as connection:
        for name in ("c_one", "c_other"):
            connection.execute(f'CREATE SCHEMA "{name}"'.encode())
            connection.execute(f'CREATE TABLE "{name}".t (id int PRIMARY KEY)'.encode())
            connection.execute(f'CREATE PUBLICATION {name}_x FOR TABLE "{name}".t'.encode())
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [f"{name}_x"])
        clean_namespace(postgres, "c_one")
        clean_namespace(postgres, "c_one")  # nothing left is fine
        left = {
            "slots": "SELECT slot_name FROM pg_replication_slots",
            "publications": "SELECT pubname FROM pg_publication",
            "schemas": "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'c_')",
        }
        found = {what: [row[0] for row in connection.execute(query.encode())] for what, query in left.items()}
    assert found == {"slots": ["c_other_x"], "publications": ["c_other_x"], "schemas": ["c_other"]}
