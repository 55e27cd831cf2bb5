"""Drawings draw all they are given, and nothing that was not."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from certification_pipeline.report.graph import BOX_HEIGHT, BOX_WIDTH, Arrow, Box, layered_graph
from certification_pipeline.report.plot import Figure, Ratios, history_plot, ratio_plot
from tests.report.test_html import HOSTILE

NAMES = st.sampled_from("abcdefghij")


class Drawn(HTMLParser):
    """Boxes by id with their place, edges as pairs, and all tags."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.boxes: dict[str, tuple[float, float]] = {}
        self.edges: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._box = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if "data-id" in found:
            self._box = found["data-id"]
        if tag == "rect" and self._box:
            self.boxes[self._box] = float(found["x"]), float(found["y"])
        if "data-from" in found:
            self.edges.append((found["data-from"], found["data-to"]))


def box(name: str) -> Box:
    return Box(name, name, "note", "passed")


def finite(markup: str) -> bool:
    return not re.search(r"\b(nan|inf)\b", markup) and "-0.0" not in markup


# --- graph -----------------------------------------------------------------------------------------


@given(st.lists(NAMES, unique=True), st.lists(st.tuples(NAMES, NAMES)))
def test_every_box_and_every_arrow_is_drawn_once(names: list[str], ways: list[tuple[str, str]]) -> None:
    """Also with cycles, arrows to oneself, twice the same, and ends that nobody gave."""
    markup = layered_graph([box(name) for name in names], [Arrow(*way) for way in ways], "g")
    drawn = Drawn(markup)
    assert set(drawn.boxes) == {*names, *(end for way in ways for end in way)}
    assert sorted(drawn.edges) == sorted(ways)
    assert finite(markup)


@given(st.lists(NAMES, unique=True, min_size=2), st.lists(st.tuples(NAMES, NAMES)))
def test_boxes_never_lie_on_each_other(names: list[str], ways: list[tuple[str, str]]) -> None:
    places = list(
        Drawn(layered_graph([box(n) for n in names], [Arrow(*w) for w in ways], "g")).boxes.values()
    )
    for at, (x, y) in enumerate(places):
        for left, top in places[at + 1 :]:
            assert abs(x - left) >= BOX_WIDTH or abs(y - top) >= BOX_HEIGHT


def test_data_flows_from_left_to_right() -> None:
    ways = [("source", "sink"), ("sink", "staging"), ("staging", "mart"), ("sink", "mart"), ("mart", "use")]
    names = ["use", "mart", "staging", "sink", "source"]
    boxes = Drawn(layered_graph([box(name) for name in names], [Arrow(*way) for way in ways], "g")).boxes
    for start, end in ways:
        assert boxes[start][0] < boxes[end][0]


def test_a_project_of_thousands_of_models_is_drawn_in_no_time() -> None:
    names = [f"m{n}" for n in range(3_000)]
    ways = [Arrow(f"m{n}", f"m{n + step}") for step in (1, 7) for n in range(0, 2_990) if n % 40]
    begun = perf_counter()
    drawn = Drawn(layered_graph([box(name) for name in names], ways, "g"))
    assert perf_counter() - begun < 20
    assert len(drawn.boxes) == len(names)
    assert len(drawn.edges) == len(ways)


def test_nothing_is_an_empty_drawing() -> None:
    assert layered_graph([], [], "g") == ""
    assert ratio_plot(Ratios((), None, None, None, 1.1), "r") == ""
    assert history_plot([], "h") == ""


def test_hostile_names_stay_text() -> None:
    evil = f"{HOSTILE}\u202e\x1b"
    markup = layered_graph([Box(evil, evil, evil, "failed", evil)], [Arrow(evil, evil, evil)], evil)
    markup += history_plot([Figure(evil, 1.0, evil, "passed", evil)], evil)
    drawn = Drawn(markup)
    assert {tag for tag, _ in drawn.tags} <= {"div", "svg", "g", "title", "rect", "text", "path", "circle"}
    assert not [name for _, attrs in drawn.tags for name in attrs if name.startswith("on")]
    assert "\u202e" not in markup
    assert "\x1b" not in markup


# --- plots -----------------------------------------------------------------------------------------


def circles(markup: Markup, css: str) -> list[dict[str, str]]:
    return [attrs for tag, attrs in Drawn(markup).tags if tag == "circle" and attrs.get("class") == css]


RATIO = st.floats(1e-3, 1e3)


@given(st.lists(RATIO, min_size=1, max_size=40), st.floats(0.5, 2).filter(lambda v: abs(v - 1) > 1e-3))
def test_every_pair_is_a_dot_with_its_ratio(ratios: list[float], allowed: float) -> None:
    pairs = tuple(enumerate(ratios))
    markup = ratio_plot(Ratios(pairs, None, None, None, allowed), "r")
    assert len(circles(markup, "pair")) == len(pairs)
    for number, ratio in pairs:
        assert f"<title>pair {number}: {ratio:.4f}</title>" in markup
    assert finite(markup)


@pytest.mark.parametrize("allowed", [1.1, 0.9])
def test_larger_ratios_are_higher_up_and_the_forbidden_side_is_marked(allowed: float) -> None:
    markup = ratio_plot(Ratios(((0, 0.8), (1, 1.0), (2, 1.25)), 1.0, 0.95, 1.05, allowed), "r")
    heights = [float(attrs["cy"]) for attrs in circles(markup, "pair")]
    assert heights == sorted(heights, reverse=True)
    assert math.isclose(heights[0] - heights[1], heights[1] - heights[2], abs_tol=0.2), (
        "half is as far as double"
    )
    (beyond,) = (attrs for tag, attrs in Drawn(markup).tags if attrs.get("class") == "beyond")
    top, bottom = float(beyond["y"]), float(beyond["y"]) + float(beyond["height"])
    inside = [top <= height <= bottom for height in heights]
    assert inside == ([False, False, True] if allowed > 1 else [True, False, False])
    assert "estimate 1.0000, one-sided 95 % bounds 0.9500 and 1.0500" in markup


def test_a_figure_of_each_release_stands_in_its_order() -> None:
    figures = [Figure(f"r{n}", 10.0 + n, "one machine", "passed", f"r{n}: {10 + n}") for n in range(30)]
    markup = history_plot(figures, "h")
    at = [float(attrs["cx"]) for attrs in circles(markup, "passed")]
    assert at == sorted(at)
    assert len(at) == 30
    assert "r29" in markup, "the newest is always named"


def test_figures_of_different_machines_are_not_joined() -> None:
    figures = [Figure(f"r{n}", 10.0 + n, f"machine {n % 2}", "passed", "") for n in range(6)]
    lines = [attrs for tag, attrs in Drawn(history_plot(figures, "h")).tags if attrs.get("class") == "line"]
    assert [line["d"].count("L") for line in lines] == [2, 2]


def test_equal_and_impossible_figures_do_not_break_the_scale() -> None:
    assert finite(
        history_plot([Figure("a", 5.0, "m", "passed", ""), Figure("b", 5.0, "m", "passed", "")], "h")
    )
    assert history_plot([Figure("a", 0.0, "m", "passed", "")], "h") == ""
