"""One stack of each kind for all tests of them: they take a minute to start, and containers ten to build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import docker

    from tests.orchestration.stacks.compose import ComposeStack
    from tests.orchestration.stacks.local import LocalStack
    from tests.orchestration.stacks.stack import Stack


_COMPOSE = pytest.param("compose", marks=[pytest.mark.integration_live, pytest.mark.docker])


@pytest.fixture(scope="session", params=["local", _COMPOSE])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Every test that takes it holds for each kind of installation."""
    made: Stack = request.getfixturevalue(f"{request.param}_stack")
    return made


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    from tests.orchestration.stacks.local import LocalStack

    with LocalStack.installed(tmp_path_factory.mktemp("stack"), "webserver", "daemon", "code") as made:
        yield made


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """A real Docker engine."""
    from tests.docker.engine import engine

    with engine() as there:
        yield there
        there.close()


@pytest.fixture(scope="session")
def images(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> docker.DockerClient:
    """An engine that has every image of the stack."""
    from tests.docker.standins import make_images

    make_images(client, tmp_path_factory.mktemp("images"))
    return client


@pytest.fixture(scope="session")
def compose_stack(
    images: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ComposeStack]:
    from tests.orchestration.stacks.compose import PROJECT, ComposeStack

    made = ComposeStack(images, tmp_path_factory.mktemp("stack"))
    made.down()  # what a run of these tests that was killed has left
    try:
        made.up()
        yield made
    finally:
        made.down()
    assert not made.workers()
    mine = {"label": f"com.docker.compose.project={PROJECT}"}
    assert not images.containers.list(all=True, filters=mine)
    assert not images.networks.list(names=[PROJECT])
    assert not [v for v in images.volumes.list() if v.name.startswith(f"{PROJECT}_")]
