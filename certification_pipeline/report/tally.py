"""Outcomes for people: a symbol and a word each, and counts of them folded by the one fixed order.

Colour is added by the renderers and never carries what symbol and word do not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome

SYMBOL: dict[Outcome, str] = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✗",
    Outcome.CANT_TELL: "?",
    Outcome.UNTESTED: "–",
    Outcome.INAPPLICABLE: "·",
}
WORD: dict[Outcome, str] = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "failed",
    Outcome.CANT_TELL: "can't tell",
    Outcome.UNTESTED: "untested",
    Outcome.INAPPLICABLE: "not claimed",
}
WORST_FIRST: tuple[Outcome, ...] = (
    Outcome.FAILED,
    Outcome.CANT_TELL,
    Outcome.UNTESTED,
    Outcome.PASSED,
    Outcome.INAPPLICABLE,
)


VERDICT: dict[Outcome, str] = {
    Outcome.PASSED: "certified",
    Outcome.FAILED: "not certified",
    Outcome.CANT_TELL: "inconclusive",
    Outcome.UNTESTED: "inconclusive",
    Outcome.INAPPLICABLE: "nothing to certify",
}
"""Of a subject or a release."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many cells had which outcome. A value of the pivot frames; ``str()`` is its plain text."""

    counts: tuple[tuple[Outcome, int], ...] = ()
    """Only outcomes seen, worst first."""

    @staticmethod
    def of(outcomes: Iterable[Outcome]) -> Tally:
        """Count outcomes; nothing at all gives the empty tally."""
        seen = Counter(outcomes)
        return Tally(tuple((outcome, seen[outcome]) for outcome in WORST_FIRST if seen[outcome]))

    @staticmethod
    def sum(tallies: Iterable[Tally]) -> Tally:
        """All of them together."""
        seen: Counter[Outcome] = Counter()
        for tally in tallies:
            seen.update(dict(tally.counts))
        return Tally.of(seen.elements())

    def count(self, outcome: Outcome) -> int:
        """How many cells had that outcome."""
        return dict(self.counts).get(outcome, 0)

    @property
    def total(self) -> int:
        """All cells counted."""
        return sum(number for _, number in self.counts)

    @property
    def decided(self) -> int:
        """Cells with a verdict about the subject: passed or failed."""
        return self.count(Outcome.PASSED) + self.count(Outcome.FAILED)

    @property
    def outcome(self) -> Outcome | None:
        """Worst outcome; ``None`` for the empty tally (a combination that was never planned)."""
        return Outcome.worst(outcome for outcome, _ in self.counts) if self.counts else None

    @property
    def css(self) -> str:
        """Class name for the HTML report."""
        return self.outcome.value.lower() if self.outcome else "none"

    @property
    def words(self) -> str:
        """``1 failed, 11 passed`` — for tooltips and screen readers."""
        return ", ".join(f"{number} {WORD[outcome]}" for outcome, number in self.counts) or "not planned"

    def __str__(self) -> str:
        """``✗ 1 ✓ 11``, ``✓ 12``, ``·``, or nothing."""
        shown = [(outcome, number) for outcome, number in self.counts if outcome is not Outcome.INAPPLICABLE]
        if not shown:
            return SYMBOL[Outcome.INAPPLICABLE] if self.counts else ""
        return " ".join(f"{SYMBOL[outcome]} {number}" for outcome, number in shown)


LEGEND = "   ".join(f"{SYMBOL[outcome]} {WORD[outcome]}" for outcome in WORST_FIRST)
"""One line under every matrix."""
