"""Nothing is shared by all tests but this: they never touch the developer's own evidence or secrets."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ("tests.orchestration.stacks.fixtures",)


@pytest.fixture(autouse=True)
def _no_certify_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CERTIFY_") and name != "CERTIFY_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("CERTIFY_LEVELS_CACHE", "")
