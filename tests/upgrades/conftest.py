from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.upgrades.serving import Served, package_index


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with package_index() as served:
        yield served
