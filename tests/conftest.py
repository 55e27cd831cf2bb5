"""What all tests share: none touches the developer's own evidence or secrets, and a room stays together."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from tests.rooms import rank

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ("tests.orchestration.stacks.fixtures",)


@pytest.fixture(autouse=True)
def _no_certify_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CERTIFY_") and name != "CERTIFY_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("CERTIFY_LEVELS_CACHE", "")


def pytest_configure() -> None:
    """Thousands of collected tests stay: to look for garbage among them is a fifth of collecting them."""
    gc.set_threshold(50_000, 20, 20)
    # No test pulls the plug: what is written need not reach the disk, if only it could.
    os.fsync = _could_be_synced


def _could_be_synced(descriptor: int) -> None:
    os.fstat(descriptor)


def pytest_collection_finish() -> None:
    """What was collected is needed until the end: no later look for garbage walks over it again."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """For the libraries that look on leaving whether all they gave was given back."""
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long rooms first, so that no worker is alone with one in the end; else as collected."""
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """With ``-n``: what a room sets up (a cluster, a whole certification) is set up once, by one worker."""
    if config.getvalue("dist") != "load":
        return None  # somebody asked for another distribution
    from tests.by_room import ByRoom

    config.option.loadscopereorder = False
    return ByRoom(config, log)
