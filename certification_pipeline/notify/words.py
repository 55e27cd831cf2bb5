"""A notice as text that any receiver can show: paragraphs, what to do, where to look."""

from __future__ import annotations

import re

from certification_pipeline.notify.notice import Notice

LONGEST_TITLE = 200
LONGEST_BODY = 6000
"""Characters. A chat folds longer messages away, and a notice is no report."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def title(notice: Notice) -> str:
    """One line without control characters."""
    return cut(printable(notice.title.replace("\n", " ")), LONGEST_TITLE)


def body(notice: Notice) -> str:
    """Everything below the title as plain text."""
    parts = list(notice.text)
    if notice.what_to_do:
        parts.append("\n".join(("What to do:", *(f"  {step}" for step in notice.what_to_do))))
    if notice.link:
        parts.append(f"Look: {notice.link}")
    return cut(printable("\n\n".join(parts)), LONGEST_BODY)


def printable(text: str) -> str:
    """Without characters that move a cursor, end a header or turn the line around."""
    return _CONTROL.sub(" ", text)


def cut(text: str, longest: int) -> str:
    """The beginning of a long text."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
