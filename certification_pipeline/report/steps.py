"""A next step told apart: the words, and the command that can be copied as it is."""

from __future__ import annotations

import re
from typing import NamedTuple

_COMMAND = re.compile(r"(?:^|(?<=[:;] )|(?<=[:;] then: ))certify (?!.*[:;] certify ).+$", re.DOTALL)


class Step(NamedTuple):
    """``command`` is empty where there is none."""

    words: str
    command: str


def split_step(text: str) -> Step:
    """``Mend it; then: certify run …`` into ``Mend it; then:`` and the command at its end."""
    found = _COMMAND.search(text)
    if found is None:
        return Step(text, "")
    return Step(text[: found.start()].rstrip(), found.group())
