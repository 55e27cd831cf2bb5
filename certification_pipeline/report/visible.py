"""Row values made visible: invisible characters named, the differing part marked, length capped.

Pure text in, segments out; renderers decide how a segment looks and do the escaping.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import RowSample

MAX_VALUE = 160
"""Characters shown of a value; what is cut off is counted."""

MAX_TEXT = 300
"""Characters of any other text that came from outside."""

CONTEXT = 24
"""Characters kept before the first difference when a value is too long to show whole."""

_PRESENCE: dict[Anomaly, tuple[str, str]] = {
    Anomaly.LOST: ("one row", "no row"),
    Anomaly.DUPLICATE: ("one row", "more than one row"),
    Anomaly.PHANTOM: ("no row", "a row"),
    Anomaly.RESURRECTED_DELETE: ("no row", "a deleted row"),
    Anomaly.ABORTED_READ: ("no row", "a row that was rolled back"),
}
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\u00a0": "\\u00a0"}
_LAST_BMP = 0xFFFF


class SegmentKind(StrEnum):
    """What a run of characters is."""

    PLAIN = "plain"
    INVISIBLE = "invisible"
    """An escape that stands for a character one cannot see."""
    NOTE = "note"
    """Ours, not the value's: ``NULL``, ``empty text``, ``… 12 more``."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of characters that look alike."""

    text: str
    kind: SegmentKind = SegmentKind.PLAIN
    differs: bool = False


def compare(expected: str | None, actual: str | None) -> tuple[list[Segment], list[Segment]]:
    """Both values as segments, the parts in which they differ marked."""
    if expected is None or actual is None or not expected or not actual:
        differ = expected != actual
        return show(expected, differs=differ), show(actual, differs=differ)
    start = _window_start(expected, actual)
    left, right = expected[start : start + MAX_VALUE], actual[start : start + MAX_VALUE]
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    marks_left, marks_right = [True] * len(left), [True] * len(right)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            marks_left[block.a + offset] = False
            marks_right[block.b + offset] = False
    return (
        _segments(left, marks_left, cut_before=start, cut_after=len(expected) - start - len(left)),
        _segments(right, marks_right, cut_before=start, cut_after=len(actual) - start - len(right)),
    )


def both_sides(row: RowSample) -> tuple[list[Segment], list[Segment]]:
    """Expected and found of a sampled row; for a whole row, whether it should be and is there."""
    if row.column is not None:
        return compare(row.expected, row.actual)
    if row.expected is not None or row.actual is not None:
        expected, actual = compare(row.expected, row.actual)
        no_row = [Segment("no row", SegmentKind.NOTE, differs=True)]
        return expected if row.expected is not None else no_row, actual if row.actual is not None else no_row
    should, does = _PRESENCE.get(row.anomaly, ("another state", "this row"))
    return [Segment(should, SegmentKind.NOTE)], [Segment(does, SegmentKind.NOTE, differs=True)]


def short(text: str) -> str:
    """As :func:`visible`, cut; what is left out is counted."""
    shown = visible(text[:MAX_TEXT])
    return shown if len(text) <= MAX_TEXT else f"{shown} … {len(text) - MAX_TEXT} more"


def show(value: str | None, *, differs: bool = False) -> list[Segment]:
    """One value as segments, with nothing to compare it to."""
    if value is None:
        return [Segment("NULL", SegmentKind.NOTE, differs)]
    if not value:
        return [Segment("empty text", SegmentKind.NOTE, differs)]
    shown = value[:MAX_VALUE]
    return _segments(shown, [differs] * len(shown), cut_before=0, cut_after=len(value) - len(shown))


def plain(segments: list[Segment]) -> str:
    """Segments as text, for terminals and Markdown: notes in ``‹›``, so that NULL is not the text NULL."""
    return "".join(f"‹{s.text}›" if s.kind is SegmentKind.NOTE else s.text for s in segments)


def visible(text: str) -> str:
    """One line of text with every invisible character escaped."""
    return "".join(_escape(char, among_differences=False) or char for char in text)


def _window_start(expected: str, actual: str) -> int:
    if max(len(expected), len(actual)) <= MAX_VALUE:
        return 0
    pairs = zip(expected, actual, strict=False)
    first = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(actual)))
    return max(0, first - CONTEXT)


def _escape(char: str, *, among_differences: bool) -> str | None:
    """The escape for a character one cannot see (or that would turn the line around), else ``None``.

    A combining mark is escaped only where values differ: there, ``é`` and ``e`` + accent must not look alike.
    """
    if char in _NAMED:
        return _NAMED[char]
    category = unicodedata.category(char)
    hidden = category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or (category == "Zs" and char != " ")
    if hidden or (among_differences and category.startswith("M")):
        return f"\\u{ord(char):04x}" if ord(char) <= _LAST_BMP else f"\\U{ord(char):08x}"
    return None


def _segments(text: str, marks: list[bool], *, cut_before: int, cut_after: int) -> list[Segment]:
    made: list[Segment] = []
    if cut_before:
        made.append(Segment(f"{cut_before} before …", SegmentKind.NOTE))
    for at, char in enumerate(text):
        escaped = _escape(char, among_differences=marks[at])
        edge_space = char == " " and at in (0, len(text) - 1)
        hidden = escaped is not None or edge_space
        kind = SegmentKind.INVISIBLE if hidden else SegmentKind.PLAIN
        piece = "␠" if edge_space else escaped or char
        last = made[-1] if made else None
        if last and last.kind is kind and last.differs is marks[at]:
            made[-1] = Segment(last.text + piece, kind, marks[at])
        else:
            made.append(Segment(piece, kind, marks[at]))
    if cut_after > 0:
        made.append(Segment(f"… {cut_after} more", SegmentKind.NOTE))
    return made
