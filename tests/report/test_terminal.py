from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from certification_pipeline.catalog.vocabulary import Outcome, ReplayKind
from certification_pipeline.evidence.replay import Aspect
from certification_pipeline.report.families import FamilyView
from certification_pipeline.report.release import ReleaseView
from certification_pipeline.report.terminal import final_screen
from tests.benchmark.samples import judged, measurement
from tests.replay.builders import evidence, item
from tests.report.sample import make_release, make_subject
from tests.report.test_html import HOSTILE, poisoned

GOLDEN = Path(__file__).parent / "golden"


def screen(release: ReleaseView, *, colours: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=100, force_terminal=colours, color_system="standard" if colours else None
    )
    final_screen(console, release, Path("/evidence/report.html"))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", ["red", "green", "empty"])
def test_final_screen(name: str) -> None:
    releases = {
        "red": make_release,
        "green": lambda: ReleaseView("2026.06", (make_subject("reference"),)),
        "empty": lambda: ReleaseView("2026.06", ()),
    }
    path = GOLDEN / f"final_screen_{name}.txt"
    assert screen(releases[name]()) == path.read_text(encoding="utf-8"), f"look, then update {path.name}"


def test_final_screen_with_families() -> None:
    """Every family has its line; what is not green says why and how to go on, once."""
    path = GOLDEN / "final_screen_families.txt"
    assert screen(with_families()) == path.read_text(encoding="utf-8"), f"look, then update {path.name}"


def with_families() -> ReleaseView:
    regressed = judged(measurement(1.5))
    replays = evidence(item(red=Aspect.OUTSIDE), item(ReplayKind.RESUME))
    views = (
        FamilyView(
            "benchmark", "Benchmark", "b.json", regressed.outcome, True, regressed.blockers, regressed
        ),
        FamilyView("replay", "Replay", "r.json", replays.outcome, True, replays.blockers, replays),
        FamilyView(
            "chain", "Evidence chain", "chain/reference", Outcome.PASSED, True, figures={"entries": 3}
        ),
    )
    return ReleaseView("2026.06", (replace(make_subject("reference"), families=views, summary=regressed),))


def test_commands_are_never_wrapped() -> None:
    assert any(
        line.strip().startswith("certify run") and line.rstrip().endswith("2026.06.05-rc1")
        for line in screen(make_release()).splitlines()
    )


def test_colours_say_nothing_that_text_does_not() -> None:
    import re

    coloured = screen(make_release(), colours=True)
    assert "\x1b[" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == screen(make_release()).splitlines()


def test_no_control_character_of_a_row_reaches_the_terminal() -> None:
    text = screen(poisoned())
    assert "\x1b" not in text
    assert HOSTILE[:20] in text
