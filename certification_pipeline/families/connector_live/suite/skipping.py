"""A skip that says what it is: properties for machines, words for people."""

from __future__ import annotations

from typing import NoReturn

import pytest

from certification_pipeline.catalog.vocabulary import Outcome


def untested(request: pytest.FixtureRequest, detail: str, remedy: str) -> NoReturn:
    """Nothing could be tested here; ``remedy`` is what would change that."""
    _say(request, Outcome.UNTESTED, detail, remedy)


def inapplicable(request: pytest.FixtureRequest, detail: str) -> NoReturn:
    """There is nothing to prove, as the test has just shown."""
    _say(request, Outcome.INAPPLICABLE, detail, "")


def _say(request: pytest.FixtureRequest, status: Outcome, detail: str, remedy: str) -> NoReturn:
    request.node.user_properties.append(("status", status.value))
    request.node.user_properties.append(("detail", detail))
    if remedy:
        request.node.user_properties.append(("remedy", remedy))
    pytest.skip(f"{status.value}: {detail}")
