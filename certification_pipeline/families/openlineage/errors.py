"""What can go wrong on the way to a receiver."""

from __future__ import annotations


class EmissionError(Exception):
    """A receiver did not take the events; ``remedy`` says what to look at. Never holds the key."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]} — {self.remedy}"
