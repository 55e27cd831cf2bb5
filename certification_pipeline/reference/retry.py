"""Retries: connectivity, and a list that moved while it was read; bounded, exponential with jitter, counted.

A whole attempt is repeated. That is safe because an attempt is one sink transaction that carries its own
state: after a lost commit acknowledgement the next attempt reads from the sink what really happened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from certification_pipeline.reference.failures import LoadError, classify

ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
T = TypeVar("T")


def with_retries(attempt: Callable[[], T], note: Callable[[int, LoadError], None]) -> T:
    """Run ``attempt`` up to :data:`ATTEMPTS` times; ``note(retries so far, why)`` before each repeat.

    Raises :class:`LoadError` whatever the attempt raised.
    """

    def classified() -> T:
        try:
            return attempt()
        except Exception as error:
            raise classify(error) from error

    def before(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, LoadError):
            note(state.attempt_number, error)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, LoadError) and _again(error)),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS),
        before_sleep=before,
        reraise=True,
    )
    return retrying(classified)


def _again(error: LoadError) -> bool:
    return error.retryable if error.again is None else error.again
