"""A release of many engines on one screen: a line each, the worst first."""

from __future__ import annotations

from dataclasses import replace

from certification_pipeline.report.release import ReleaseView, SubjectView
from tests.report.sample import make_subject
from tests.report.test_terminal import screen


def named(subject: SubjectView, name: str) -> SubjectView:
    own = subject.subject.model_copy(update={"engine": name})
    return replace(subject, plan=subject.plan.model_copy(update={"subject": own}))


def many() -> ReleaseView:
    green, red = make_subject("reference"), make_subject("dlt")
    subjects = [named(green, f"green_{number:02}") for number in range(14)]
    return ReleaseView("2026.06", (*subjects[:7], named(red, "red_one"), *subjects[7:]))


def test_fifteen_engines_take_a_line_each_and_the_worst_is_first() -> None:
    lines = screen(many()).splitlines()
    names = [word for line in lines for word in line.split() if word.startswith(("green_", "red_one"))]
    assert names[0] == "red_one"
    assert [name for name in names if name.startswith("green_")][:14] == [f"green_{n:02}" for n in range(14)]
    assert sum("green_03" in line for line in lines) == 1
    assert not any("by strategy and route" in line for line in lines)


def test_the_screen_of_many_engines_stays_one_screen() -> None:
    lines = screen(many()).splitlines()
    assert len(lines) < 60, "\n".join(lines)
    assert all(len(line) <= 100 or line.strip().startswith(("certify", "→")) for line in lines)
