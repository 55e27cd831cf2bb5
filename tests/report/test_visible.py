from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import RowSample
from certification_pipeline.report.visible import (
    MAX_VALUE,
    SegmentKind,
    both_sides,
    compare,
    plain,
    show,
    visible,
)

LONGEST_ESCAPE = 10


def differing(segments: list) -> str:
    return "".join(segment.text for segment in segments if segment.differs)


def test_only_the_differing_part_is_marked() -> None:
    expected, actual = compare("-4821.0937500000", "-4821.093750000")
    assert differing(expected) == "0"
    assert differing(actual) == ""
    assert plain(expected) == "-4821.0937500000"


@pytest.mark.parametrize(
    ("char", "shown"),
    [
        ("\n", "\\n"),
        ("\t", "\\t"),
        ("\0", "\\0"),
        ("\u200d", "\\u200d"),
        ("\u202e", "\\u202e"),
        ("\x1b", "\\u001b"),
    ],
)
def test_invisible_characters_are_named(char: str, shown: str) -> None:
    assert visible(f"a{char}b") == f"a{shown}b"
    assert any(s.text == shown and s.kind is SegmentKind.INVISIBLE for s in show(f"a{char}b"))


def test_null_empty_and_the_words_for_them_do_not_look_alike() -> None:
    assert len({plain(show(value)) for value in (None, "", "NULL", "empty text", "‹NULL› ")}) == 5


def test_texts_that_look_the_same_do_not_when_they_differ() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    expected, actual = compare(composed, decomposed)
    assert plain(expected) != plain(actual)
    assert "\\u0301" in plain(actual)


def test_edge_spaces_are_seen() -> None:
    expected, actual = compare("x", "x ")
    assert plain(actual) == "x␠"
    assert differing(actual) == "␠"
    assert not differing(expected)


def test_a_difference_far_inside_a_long_value_is_shown() -> None:
    expected, actual = compare("a" * 5000 + "1" + "b" * 5000, "a" * 5000 + "2" + "b" * 5000)
    assert differing(expected) == "1"
    assert differing(actual) == "2"
    assert "before …" in plain(expected)
    assert len(plain(expected)) < MAX_VALUE + 60


@pytest.mark.parametrize(
    ("anomaly", "should", "does"),
    [
        (Anomaly.LOST, "one row", "no row"),
        (Anomaly.PHANTOM, "no row", "a row"),
        (Anomaly.DUPLICATE, "one row", "more"),
    ],
)
def test_whole_rows_say_what_should_be_there_and_what_is(anomaly: Anomaly, should: str, does: str) -> None:
    expected, actual = both_sides(RowSample(anomaly=anomaly, key={"id": "1"}))
    assert should in plain(expected)
    assert does in plain(actual)


@given(st.text(max_size=400), st.text(max_size=400))
def test_whatever_comes_nothing_invisible_gets_out_and_length_is_bounded(left: str, right: str) -> None:
    for segments in compare(left, right):
        text = plain(segments)
        assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)
        assert len(text) <= MAX_VALUE * LONGEST_ESCAPE + 60


@given(st.text(max_size=MAX_VALUE), st.text(max_size=MAX_VALUE))
def test_values_that_differ_always_show_a_difference(left: str, right: str) -> None:
    expected, actual = compare(left, right)
    assert (left == right) == (not differing(expected) and not differing(actual))
