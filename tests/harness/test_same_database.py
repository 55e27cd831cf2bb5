"""A route of one database: the sink is a schema beside the source's, and goes with the cell."""

from __future__ import annotations

import psycopg
import pytest

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster
from certification_pipeline.harness.shop import Workshop
from tests.harness.conftest import Shop, engine, planned

pytestmark = pytest.mark.integration


def opened(shop: Shop, *, same_database: bool) -> Workshop:
    made = shop.open({"fake": ""})
    route = engine().routes[0].model_copy(update={"same_database": same_database})
    fake: Engine = engine().model_copy(update={"routes": (route,)})
    catalog = made.catalog.model_copy(update={"engines": {**made.catalog.engines, "fake": fake}})
    return Workshop(**{**vars(made), "catalog": catalog})


def bench_of(workshop: Workshop, shop: Shop) -> Bench:
    def no_session() -> None:
        raise AssertionError("no engine is needed")

    cell = planned("strategy.full_refresh")
    return Bench(workshop.station(cell, shop.folder, no_session))  # type: ignore[arg-type]


@pytest.mark.parametrize("same_database", [True, False])
def test_the_sink_is_another_place_in_the_same_or_another_database(
    shop: Shop, cluster: PostgresCluster, same_database: bool
) -> None:
    bench = bench_of(opened(shop, same_database=same_database), shop)
    bench.seed("narrow")
    request = bench.request()
    bench.close()
    assert (request.source.dsn == request.sink.dsn) is same_database
    places = {(end.dsn, end.namespace, end.name) for end in (request.source, request.sink)}
    assert len(places) == 2, "a load must never write over its source"
    assert request.source.dsn == cluster.source().dsn
    assert (bench.sink_view().dsn, bench.sink_view().namespace) == (request.sink.dsn, request.sink.namespace)


def test_what_the_engine_wrote_there_goes_with_the_cell(shop: Shop, cluster: PostgresCluster) -> None:
    workshop = opened(shop, same_database=True)
    bench = bench_of(workshop, shop)
    bench.seed("narrow")
    sink = bench.request().sink
    with psycopg.connect(cluster.source().dsn, autocommit=True) as db:
        db.execute(f'CREATE SCHEMA "{sink.namespace}"')
        bench.close()
        workshop.clean(bench.key)
        left = db.execute("SELECT FROM pg_namespace WHERE nspname = %s", (sink.namespace,)).fetchall()
    assert left == []
