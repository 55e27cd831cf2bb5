"""One stack for all tests of it: it takes minutes to build and a minute to start."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.docker.engine import engine
from tests.docker.stack import Stack
from tests.docker.standins import make_images

SMALL = {
    "CERTIFY_TAG": "minutely",
    "CERTIFY_ENGINES": "reference",
    "CERTIFY_ROUTES": "postgres_to_sqlite",
    "CERTIFY_STRATEGIES": "full_refresh",
    "CERTIFY_SCENARIOS": "strategy.full_refresh,batch.empty,batch.wide",
    "CERTIFY_ROWS": "120",
    # One after the other, so that there is a moment at which some are done and some are not.
    "CERTIFY_WORKERS": "1",
}


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    with engine() as there:
        yield there
        there.close()


@pytest.fixture(scope="session")
def images(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> docker.DockerClient:
    make_images(client, tmp_path_factory.mktemp("images"))
    return client


@pytest.fixture(scope="session")
def stack(images: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(images, tmp_path_factory.mktemp("stack"), SMALL)
    made.down()  # what a run of these tests that was killed has left
    try:
        made.up()
        yield made
    finally:
        made.down()
    assert not made.runs()
    assert not images.containers.list(
        all=True, filters={"label": "com.docker.compose.project=certification_pipeline"}
    )
    assert not images.networks.list(names=["certification_pipeline"])
    assert not [v for v in images.volumes.list() if v.name.startswith("certification_pipeline_")]
