"""Engines side by side: who is right, what is promised, and figures of those that load the right rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.vocabulary import Outcome, Strategy, Support
from certification_pipeline.evidence.artifact import Environment, Producer, Subject
from certification_pipeline.evidence.canonical import render
from certification_pipeline.evidence.comparison import ComparedSubject, EngineComparison, Turn
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.hardware import hardware
from certification_pipeline.evidence.layout import COMPARISON
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.benchmark.compare import sink_of
from certification_pipeline.report.comparison import (
    comparison_markdown,
    read_comparison,
    side_by_side,
    speed_table,
    write_comparison,
)
from certification_pipeline.report.html import render_html
from certification_pipeline.report.loading import load_release
from certification_pipeline.report.release import ReleaseView
from tests.report.on_disk import write_release
from tests.report.sample import make_catalog, make_release
from tests.report.test_many import many


def turn(wall: float = 2.0, raw: float = 1.0) -> Turn:
    return Turn(
        wall_seconds=wall,
        cpu_seconds=wall,
        peak_memory_bytes=50_000_000,
        raw_wall_seconds=raw,
        raw_cpu_seconds=raw,
    )


def compared(engine: str, *turns: Turn, problem: str | None = None) -> ComparedSubject:
    subject = Subject(engine=engine, version="1", artifact_digest="")
    return ComparedSubject(
        subject=subject, route_id="postgres_to_postgres", raw_path="COPY", turns=turns, problem=problem
    )


def comparison(*subjects: ComparedSubject, release_id: str = "r1") -> EngineComparison:
    return EngineComparison(
        release_id=release_id,
        run_id="run",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        producer=Producer(version="0"),
        environment=Environment(python="3", platform="x", cpu_count=2),
        hardware=hardware(),
        rows=100,
        seed=1,
        asked_turns=3,
        subjects=subjects,
    )


def test_each_turn_is_held_against_the_raw_copy_beside_it() -> None:
    one = compared("dlt", turn(2, 1), turn(30, 10), turn(4, 1))
    assert one.wall == (3.0, 2.0, 4.0)
    (row,) = speed_table(comparison(one)).to_dict("records")
    assert row["wall × raw COPY"] == "3.00 (2.00 to 4.00)"
    assert row["peak MB"] == "50 (50 to 50)"


def test_wrong_rows_and_too_few_turns_have_no_speed_and_come_last() -> None:
    wrong = compared("wrong", turn(), turn(), turn(), problem="the oracle found rows wrong: 3 lost")
    few = compared("few", turn(), turn())
    good = compared("good", turn(9), turn(9), turn(9))
    odd = compared("odd", turn(), turn(), turn()).model_copy(update={"remark": "3 corrupt"})
    table = speed_table(comparison(wrong, few, odd, good))
    assert table["engine"].iloc[0] == "good"
    assert set(table["wall × raw COPY"]) == {"", "2.00 (2.00 to 2.00)", "9.00 (9.00 to 9.00)"}
    assert list(table["engine"])[:2] == ["good", "odd"], "wrong values come after right ones, however fast"
    assert "3 lost" in table.set_index("engine").loc["wrong", "remark"]


def test_the_cells_of_all_engines_stand_beside_each_other() -> None:
    release = make_release()
    frame = side_by_side(release).set_index(["route", "strategy", "scenario"])
    assert list(frame.columns) == ["dlt", "reference"]
    red = next(line for s in release.subjects for line in s.failed if line.key.scenario == "types.matrix")
    value = frame.loc[(red.key.route_id, red.key.strategy.value, "types.matrix"), "dlt"]
    assert value.startswith("✗ corrupt")
    rows = {
        (line.key.route_id, line.key.strategy.value, line.key.scenario)
        for s in release.subjects
        for line in s.ran
    }
    assert set(frame.index) == rows


def test_the_report_has_the_section_only_for_many_engines() -> None:
    catalog = make_catalog()
    assert 'id="engines"' not in render_html(make_release(), catalog)
    page = render_html(many(), catalog)
    assert 'id="engines"' in page
    assert "certify compare --release-id" in page


def test_the_page_says_what_was_measured() -> None:
    text = comparison_markdown(many(), comparison(compared("red_one", turn(), turn(), turn())))
    assert "2.00 (2.00 to 2.00)" in text
    assert "## Delivery guarantees, declared and observed" in text
    assert "certify compare" in comparison_markdown(many(), None)


def test_what_lies_beside_a_release_is_read_strictly(tmp_path: Path) -> None:
    store = write_release(tmp_path, "reference", release_id="r1")
    assert read_comparison(store, "r1") is None
    path = store.release_path("r1") / COMPARISON
    made = comparison(compared("reference", turn(), turn(), turn()))
    write_atomically(path, render(made))
    assert read_comparison(store, "r1") == made
    assert store.engines("r1") == ("reference",)
    path.write_bytes(render(made).replace(b'"rows"', b'"rowz"'))
    with pytest.raises(EvidenceError):
        read_comparison(store, "r1")


def test_the_page_is_written_beside_the_release(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    write_release(tmp_path, "reference", release_id="r1")
    page = store.release_path("r1") / "comparison.md"
    write_comparison(load_release(store, "r1"), store)
    assert not page.exists(), "one engine has nobody beside it"
    made = comparison(compared("reference", turn(), turn(), turn()))
    write_atomically(store.release_path("r1") / COMPARISON, render(made))
    write_comparison(load_release(store, "r1"), store)
    assert "Engines side by side" in page.read_text()
    assert load_release(store, "r1").subjects[0].outcome is Outcome.PASSED, "no gate looks at it"


def test_an_engine_is_measured_into_postgres_or_its_first_claimed_sink() -> None:
    engine: Engine = make_catalog().engines["dlt"]
    assert sink_of(engine, ("postgres", "duckdb")) == "postgres"
    assert sink_of(engine, ("duckdb",)) == "duckdb"
    assert sink_of(engine, ()) is None
    denied = tuple(
        route.model_copy(
            update={
                "strategies": {
                    Strategy.FULL_REFRESH: route.strategies[Strategy.FULL_REFRESH].model_copy(
                        update={"support": Support.UNSUPPORTED}
                    )
                }
            }
        )
        for route in engine.routes
    )
    assert sink_of(engine.model_copy(update={"routes": denied}), ("postgres", "duckdb")) is None


def test_fewer_than_three_turns_cannot_be_asked_for() -> None:
    with pytest.raises(ValidationError):
        EngineComparison.model_validate({**comparison().model_dump(), "asked_turns": 2})


def test_a_release_of_nobody_has_an_empty_page() -> None:
    assert "_none_" in comparison_markdown(ReleaseView("r", ()), None)
