"""What Krishiv's exceptions mean: nearly all are a RuntimeError, told apart by their text only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from certify_driver import Failure  # type: ignore[import-not-found]

_SIGNS = (
    ("schema", ("schema mismatch", "schema error", "arrow schema")),
    ("unsupported", ("not yet supported", "unsupported", "not implemented", "feature")),
    ("not_found", ("no such file", "not found", "does not match the expected extension")),
    (
        "resource",
        ("no space left", "os error 28", "file too large", "disk quota exceeded", "resources exhausted"),
    ),
    ("conflict", ("conflict", "already exists")),
)


def category(text: str) -> str:
    """The run record's failure category for a message; ``internal`` when it says nothing we know."""
    lower = text.lower()
    for name, signs in _SIGNS:
        if any(sign in lower for sign in signs):
            return name
    return "internal"


@contextmanager
def named(job: Any) -> Iterator[None]:
    """Turn what Krishiv raises into a failure with a category; paths of the run are left out."""
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        for end in (job.source, job.sink):
            text = text.replace(end.dsn, f"<{end.system}>")
        raise Failure(category(str(error)), text) from error
