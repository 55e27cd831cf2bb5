"""``ENGINES``: an engine whose environment is in the image runs where no package index is reached."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest

from tests.docker.standins import build_shipped

pytestmark = [pytest.mark.integration_live, pytest.mark.docker]

BAKED = "certification-pipeline:baked"
RUN = (
    "certify run --engine {} --route postgres_to_sqlite --strategy full_refresh --scenario batch.empty "
    "--family matrix --rows 60 --workers 1"
)


@pytest.fixture(scope="module")
def image(images: docker.DockerClient) -> Iterator[str]:
    build_shipped(BAKED, ENGINES="sling")
    yield BAKED
    images.images.remove(BAKED, force=True)


def _offline(client: docker.DockerClient, image: str, engine: str) -> tuple[int, str]:
    container = client.containers.run(
        image, RUN.format(engine).split(), network_mode="none", init=True, shm_size="256m", detach=True
    )
    try:
        return int(container.wait()["StatusCode"]), container.logs().decode()
    finally:
        container.remove(force=True)


def test_an_engine_that_is_baked_in_is_certified_without_a_network(
    images: docker.DockerClient, image: str
) -> None:
    code, said = _offline(images, image, "sling")
    assert code == 0, said


def test_one_that_is_not_says_what_it_lacks(images: docker.DockerClient, image: str) -> None:
    code, said = _offline(images, image, "dlt")
    assert code != 0
    assert "Traceback" not in said
    assert "dlt" in said


def test_an_engine_that_does_not_exist_fails_the_build_and_is_named(images: docker.DockerClient) -> None:
    assert images.ping()
    with pytest.raises(AssertionError, match="ENGINES: there is no engine 'slink'; there are: "):
        build_shipped("certification-pipeline:none", ENGINES="slink")
