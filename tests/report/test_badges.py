from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.chain import EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import (
    PublishedCalibration,
    PublishedCell,
    PublishedGuarantee,
    PublishedLevel,
    PublishedRecord,
)
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_links import read_links
from certification_pipeline.report.badge_files import badge_names, write_badges
from certification_pipeline.report.badge_svg import Colour, badge_svg, text_width
from certification_pipeline.report.badges import Badge, absent, badges, refused
from certification_pipeline.report.current_badges import current_badges
from certification_pipeline.report.published import read_published
from tests.evidence.builders import ENGINE, RELEASE, START, provenance
from tests.exports.sample import every_outcome
from tests.gates.releases import decided_release
from tests.golden import golden

GOLDEN = Path(__file__).parent / "golden"
DIGEST = "sha256:" + "77" * 32
SOON = START + timedelta(days=1)


@pytest.fixture(scope="module")
def green(tmp_path_factory: pytest.TempPathFactory) -> PublishedRecord:
    root = tmp_path_factory.mktemp("green")
    return read_published(decided(root), RELEASE, ENGINE, provenance(80))


def decided(root: Path) -> EvidenceStore:
    return EvidenceStore.holding(decided_release(root))


def one(record: PublishedRecord, name: str, now: datetime = SOON) -> Badge:
    (found,) = (badge for badge in badges(record, now) if badge.name == name)
    return found


def cells(*outcomes: Outcome) -> tuple[PublishedCell, ...]:
    return tuple(
        PublishedCell(
            source="postgres",
            sink="duckdb",
            strategy=Strategy.CDC,
            scenario=f"s.{at}",
            outcome=outcome,
            required=False,
            sha256=DIGEST,
        )
        for at, outcome in enumerate(outcomes)
    )


def test_a_green_release_names_version_and_day(green: PublishedRecord) -> None:
    badge = one(green, "release")
    assert (badge.label, badge.message, badge.colour) == (
        "reference 0.1.0",
        "certified · 2024-11-19",
        Colour.GREEN,
    )
    assert "good until 2024-12-17" in badge.title
    route = one(green, "route-postgres_to_duckdb")
    assert (route.label, route.message) == (
        "reference 0.1.0: postgres → duckdb",
        "2 of 2 passed · 2024-11-19",
    )
    assert route.colour is Colour.GREEN


def test_what_was_never_tried_is_grey_and_says_so(green: PublishedRecord) -> None:
    route = one(green, "route-postgres_to_clickhouse")
    assert (route.message, route.colour) == ("untested", Colour.GREY)
    assert (one(green, "guarantee").message, one(green, "guarantee").colour) == ("not observed", Colour.GREY)
    calibration = one(green, "calibration")
    assert (calibration.message, calibration.colour) == ("not calibrated", Colour.GREY)


CELLS = st.builds(
    PublishedCell,
    source=st.just("postgres"),
    sink=st.just("duckdb"),
    strategy=st.just(Strategy.CDC),
    scenario=st.just("s"),
    outcome=st.sampled_from(Outcome),
    required=st.booleans(),
    reason=st.sampled_from([None, ReasonCode.NOT_IN_PROFILE, ReasonCode.SERVICE_UNAVAILABLE]),
    sha256=st.just(DIGEST),
)


@given(cells=st.lists(CELLS, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_route_is_green_only_when_all_that_was_asked_of_it_passed(
    green: PublishedRecord, cells: list[PublishedCell]
) -> None:
    record = green.model_copy(update={"cells": tuple(cells), "gaps": ()})
    made = [badge for badge in badges(record, SOON) if badge.name.startswith("route-")]
    claimed = [cell for cell in cells if cell.outcome is not Outcome.INAPPLICABLE]
    assert len(made) == bool(claimed)
    asked = {
        cell.outcome
        for cell in claimed
        if cell.required
        or cell.reason is not ReasonCode.NOT_IN_PROFILE
        or cell.outcome is not Outcome.UNTESTED
    }
    for badge in made:
        assert (badge.colour is Colour.GREEN) == (asked == {Outcome.PASSED})
        assert (badge.colour is Colour.RED) == (Outcome.FAILED in asked)


def test_what_the_profile_leaves_out_is_counted_on_the_badge(green: PublishedRecord) -> None:
    passed, untested = cells(Outcome.PASSED, Outcome.UNTESTED)

    def shown(*held: PublishedCell) -> tuple[str, Colour]:
        badge = one(green.model_copy(update={"cells": held, "gaps": ()}), "route-postgres_to_duckdb")
        return badge.message.partition(" · ")[0], badge.colour

    left_out = untested.model_copy(update={"reason": ReasonCode.NOT_IN_PROFILE})
    assert shown(passed, left_out) == ("1 of 1 passed, 1 left out", Colour.GREEN)
    assert shown(passed, untested) == ("1 of 2 untested", Colour.AMBER)
    assert shown(passed, left_out.model_copy(update={"required": True}))[1] is Colour.AMBER
    assert shown(left_out) == ("untested", Colour.GREY)


@pytest.mark.parametrize(
    ("outcome", "message", "colour"),
    [
        (Outcome.FAILED, "not certified · 2024-11-19", Colour.RED),
        (Outcome.CANT_TELL, "inconclusive · 2024-11-19", Colour.AMBER),
        (Outcome.UNTESTED, "inconclusive · 2024-11-19", Colour.AMBER),
        (Outcome.INAPPLICABLE, "nothing to certify · 2024-11-19", Colour.GREY),
    ],
)
def test_no_other_verdict_is_green(
    green: PublishedRecord, outcome: Outcome, message: str, colour: Colour
) -> None:
    badge = one(green.model_copy(update={"outcome": outcome, "passed": False}), "release")
    assert (badge.message, badge.colour) == (message, colour)


def test_a_release_narrowed_to_a_part_is_not_green(green: PublishedRecord) -> None:
    part = green.model_copy(update={"selection": Selection(routes=("postgres_to_duckdb",))})
    assert (one(part, "release").message, one(part, "release").colour) == (
        "certified in part · 2024-11-19",
        Colour.AMBER,
    )


def test_evidence_goes_stale_to_the_second(green: PublishedRecord) -> None:
    assert green.evidence_from is not None
    ends = green.evidence_from + timedelta(days=green.fresh_days)
    assert one(green, "release", ends - timedelta(seconds=1)).colour is Colour.GREEN
    for badge in badges(green, ends):
        assert badge.colour is Colour.GREY
    stale = one(green, "release", ends)
    assert stale.message == "stale since 2024-12-17"
    assert "was: certified" in stale.title


def test_the_oldest_cell_counts_not_the_newest(green: PublishedRecord) -> None:
    """Running one cell again must not make the others young."""
    assert green.evidence_from is not None
    assert green.evidence_until is not None
    later = green.model_copy(update={"evidence_until": green.evidence_until + timedelta(days=300)})
    assert one(later, "release", SOON + timedelta(days=60)).colour is Colour.GREY


def test_green_without_a_day_is_not_green(green: PublishedRecord) -> None:
    badge = one(green.model_copy(update={"evidence_from": None}), "release")
    assert badge.colour is Colour.GREY


def guarantee(
    observed: Guarantee, outcome: Outcome, strategy: Strategy = Strategy.CDC, kills: int = 60
) -> PublishedGuarantee:
    return PublishedGuarantee(
        route="postgres_to_duckdb",
        strategy=strategy,
        declared=Guarantee.EXACTLY_ONCE,
        observed=observed,
        verdict="x",
        outcome=outcome,
        kills=kills,
        lost=0,
        repeated=0,
    )


def test_the_weakest_guarantee_is_shown_and_the_worst_verdict_colours(green: PublishedRecord) -> None:
    strong = guarantee(Guarantee.EXACTLY_ONCE, Outcome.PASSED)
    weak = guarantee(Guarantee.AT_LEAST_ONCE, Outcome.FAILED, Strategy.SCD2)
    few = guarantee(Guarantee.EXACTLY_ONCE, Outcome.CANT_TELL, Strategy.XMIN, kills=4)
    free = guarantee(Guarantee.BEST_EFFORT, Outcome.INAPPLICABLE, Strategy.BACKFILL)
    tried = guarantee(Guarantee.EXACTLY_ONCE, Outcome.INAPPLICABLE, kills=4)
    never = guarantee(Guarantee.EXACTLY_ONCE, Outcome.INAPPLICABLE, kills=0)

    def shown(*seen: PublishedGuarantee) -> tuple[str, Colour]:
        badge = one(green.model_copy(update={"guarantees": seen}), "guarantee-postgres_to_duckdb")
        return badge.message.partition(" · ")[0], badge.colour

    assert shown(strong) == ("exactly-once", Colour.GREEN)
    assert shown(strong, weak) == ("at-least-once, less than declared", Colour.RED)
    assert shown(strong, few) == ("not shown, 4 of 60 kills", Colour.AMBER)
    assert shown(free) == ("best-effort", Colour.BLUE)
    assert shown(tried) == ("exactly-once, 4 of 60 kills", Colour.BLUE)
    assert shown(never) == ("not observed", Colour.GREY), "that nobody looked is no guarantee"
    assert shown(free, never) == ("not observed", Colour.GREY)


def test_a_bench_is_green_only_when_it_saw_every_defect(green: PublishedRecord) -> None:
    def shown(killed: int, outcome: Outcome) -> tuple[str, Colour]:
        made = PublishedCalibration(
            outcome=outcome, killed=killed, planted=93, false_alarms=0, clean_runs=90, made_at=START
        )
        badge = one(green.model_copy(update={"calibration": made}), "calibration")
        return badge.message.partition(" · ")[0], badge.colour

    assert shown(93, Outcome.PASSED) == ("93 of 93 defects found", Colour.GREEN)
    assert shown(93, Outcome.CANT_TELL)[1] is Colour.AMBER
    assert shown(92, Outcome.PASSED)[1] is Colour.AMBER
    assert shown(92, Outcome.FAILED)[1] is Colour.RED


def test_only_the_highest_level_is_green_and_it_ends_when_the_level_does(green: PublishedRecord) -> None:
    level = PublishedLevel(
        connector="postgres",
        roles=("source",),
        policy="dpone",
        level="production-certified",
        highest=True,
        why="everything is proven",
        next_step=None,
        expires_at=START + timedelta(days=3),
    )

    def shown(level: PublishedLevel, now: datetime = SOON) -> tuple[str, Colour]:
        badge = one(green.model_copy(update={"levels": (level,)}), "level-dpone-postgres", now)
        return badge.message, badge.colour

    assert shown(level) == ("production-certified · 2024-11-19", Colour.GREEN)
    assert shown(level, START + timedelta(days=3)) == ("stale since 2024-11-22", Colour.GREY)
    assert shown(level.model_copy(update={"level": "beta", "highest": False}))[1] is Colour.BLUE
    assert shown(level.model_copy(update={"level": None, "highest": False})) == ("no level", Colour.GREY)


def test_a_record_cannot_say_more_than_its_cells(green: PublishedRecord) -> None:
    """Typed by hand, a green record over a red cell is no record."""
    fields = green.model_dump()
    red = [dict(cell) for cell in fields["cells"]]
    next(cell for cell in red if cell["required"])["outcome"] = Outcome.FAILED
    for forged in (
        {"cells": red},
        {"cells": []},
        {"chain": None},
        {"evidence_from": None},
        {"cells": [*fields["cells"], fields["cells"][0]]},
        {"gaps": [dict(gap) | {"outcome": Outcome.PASSED} for gap in fields["gaps"]]},
    ):
        with pytest.raises(ValueError, match=r"passed, but|twice|without evidence"):
            PublishedRecord.model_validate(fields | forged)


@pytest.mark.parametrize("damage", ["cell", "typed", "no plan", "no chain", "no summary"])
def test_touched_evidence_turns_every_badge_red(tmp_path: Path, damage: str) -> None:
    store = decided(tmp_path)
    out = tmp_path / "b"
    before = current_badges(store, RELEASE, ENGINE, out, provenance(80))
    write_badges(out, ENGINE, before, SOON)
    subject = tmp_path / "releases" / RELEASE / ENGINE
    summary = subject / "release_summary.json"
    match damage:
        case "cell":
            cell = next((subject / "cells").iterdir())
            cell.write_bytes(cell.read_bytes() + b" ")
        case "typed":
            summary.write_text('{"passed": true, "outcome": "passed", "blockers": []}')
        case "no plan":
            (subject / "certification_automation_plan.json").unlink()
        case "no chain":
            shutil.rmtree(tmp_path / "chain")
        case "no summary":
            summary.unlink()
    made = current_badges(store, RELEASE, ENGINE, out, provenance(80))
    assert {badge.name for badge in made} == {badge.name for badge in before}
    assert {(badge.message, badge.colour) for badge in made} == {("not verified", Colour.RED)}


def test_with_a_key_what_it_did_not_sign_is_red(tmp_path: Path) -> None:
    signer = Signer.generate()
    store = EvidenceStore.holding(decided_release(tmp_path, signer=signer))

    def colours(*keys: PublicKey) -> set[Colour]:
        made = current_badges(store, RELEASE, ENGINE, tmp_path / "b", provenance(80), signed_by=keys)
        return {badge.colour for badge in made if badge.name == "release"}

    assert colours() == colours(signer.public_key) == {Colour.GREEN}
    assert colours(Signer.generate().public_key) == {Colour.RED}
    unsigned = make_checkpoint(ENGINE, read_links(ChainDir(tmp_path, ENGINE)).leaves, None)
    chain = ChainDir(tmp_path, ENGINE)
    chain.set_head(
        EvidenceChainHead.of(ENGINE, read_links(chain).entries[-1], chain.set_checkpoint(unsigned))
    )
    assert colours() == {Colour.GREEN}
    assert colours(signer.public_key) == {Colour.RED}


def test_an_honest_red_release_is_a_record(tmp_path: Path) -> None:
    """Red is a verdict, not a reason to say nothing."""
    store = EvidenceStore.holding(every_outcome(tmp_path))
    record = read_published(store, RELEASE, ENGINE, provenance(80))
    assert one(record, "release").colour is Colour.RED
    route = one(record, "route-postgres_to_duckdb")
    assert (route.message, route.colour) == ("1 of 4 failed · 2024-11-19", Colour.RED)


def test_the_files_are_as_they_were(green: PublishedRecord) -> None:
    badge = one(green, "release")
    golden(GOLDEN / "badge.svg", badge.svg().encode())
    golden(GOLDEN / "badge.json", badge.endpoint(SOON).encode())


def test_an_endpoint_has_what_shields_asks_for_and_an_error_keeps_its_colour(green: PublishedRecord) -> None:
    says = json.loads(one(green, "release").endpoint(SOON))
    assert says == {
        "schemaVersion": 1,
        "label": "reference 0.1.0",
        "message": "certified · 2024-11-19",
        "color": "#1a7f37",
        "isError": False,
        "cacheSeconds": 3600,
    }
    ends = SOON + timedelta(seconds=400)
    assert json.loads(replace(one(green, "release"), good_until=ends).endpoint(SOON))["cacheSeconds"] == 400
    (red,) = refused("dlt", "the chain was cut")
    assert json.loads(red.endpoint(SOON))["isError"] is True
    assert (red.message, red.colour) == ("not verified", Colour.RED)


def test_a_badge_nothing_stands_behind_any_more_is_drawn_over(tmp_path: Path, green: PublishedRecord) -> None:
    write_badges(tmp_path, "reference", badges(green, SOON), SOON)
    assert "route-postgres_to_duckdb" in badge_names(tmp_path, "reference")
    foreign = tmp_path / "reference" / "logo.svg"
    foreign.write_text("<svg/>")
    written = write_badges(tmp_path, "reference", [one(green, "release")], SOON)
    gone = {badge.name: badge for badge in written}["route-postgres_to_duckdb"]
    assert (gone.message, gone.colour) == ("no evidence", Colour.GREY)
    assert "no evidence" in (tmp_path / "reference" / "route-postgres_to_duckdb.svg").read_text()
    assert foreign.read_text() == "<svg/>"


def test_a_badge_is_read_aloud_and_wide_enough(green: PublishedRecord) -> None:
    root = ET.fromstring(one(green, "release").svg())
    assert root.get("role") == "img"
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == root.get("aria-label")
    assert str(title.text).startswith("reference 0.1.0: certified · 2024-11-19")
    assert text_width("certified") < text_width("not certified")
    assert text_width("iiii") < text_width("WWWW") < text_width("連接器連接器")


@given(
    label=st.text(st.characters(exclude_categories=())), message=st.text(st.characters(exclude_categories=()))
)
@settings(max_examples=40, deadline=None)
def test_any_text_gives_a_drawing(label: str, message: str) -> None:
    ET.fromstring(badge_svg(label, message, Colour.RED, message))
    badge = Badge("x", label, message, Colour.RED, label)
    ET.fromstring(badge.svg().encode())
    json.loads(badge.endpoint(SOON).encode())


def test_colours_can_be_read() -> None:
    """White text needs 4.5 : 1 (WCAG 2.2, 1.4.3)."""
    for colour in Colour:
        assert 1.05 / (_luminance(colour.value) + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_absent_badges_are_grey() -> None:
    assert {badge.colour for badge in absent("dlt", ("release", "calibration"))} == {Colour.GREY}
