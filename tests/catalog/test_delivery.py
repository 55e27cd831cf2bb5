"""Delivery guarantees: the lattice, the seed's table recomputed, and what is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from certification_pipeline.catalog.delivery import UnsupportedCombination
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Guarantee
from certification_pipeline.report.guarantees import declared_frame, page
from tests.catalog.conftest import Edit, problems_of

DOCS = Path(__file__).parents[2] / "docs"
TABLE = """\
title: A table
document: a document
sources:
  files: {title: Files, guarantee: effectively-once}
sinks:
  plain: {title: Plain, guarantee: best-effort}
  two_phase: {title: Two-phase, guarantee: exactly-once}
profiles:
  memory: {title: Memory, guarantee: best-effort}
  disk: {title: Disk, guarantee: at-least-once}
  quorum: {title: Quorum, guarantee: exactly-once}
rows:
  - {source: files, sink: plain, profile: any, guarantee: best-effort, certified: true}
  - {source: files, sink: two_phase, profile: disk+, guarantee: at-least-once, certified: true}
"""


@pytest.mark.parametrize("chain", [chain for n in (1, 2, 3) for chain in product(Guarantee, repeat=n)])
def test_the_weakest_link_is_one_of_them_and_none_is_weaker(chain: tuple[Guarantee, ...]) -> None:
    weakest = Guarantee.weakest(chain)
    assert weakest in chain
    assert all(weakest.rank <= link.rank for link in chain)


def test_nothing_guarantees_nothing() -> None:
    with pytest.raises(ValueError, match="empty"):
        Guarantee.weakest([])


def test_the_seeds_rows_follow_from_their_weakest_links() -> None:
    """Twelve lines of seed 001; every one recomputed, under every profile it speaks of."""
    table = load_catalog().guarantees["krishiv"]
    assert len(table.rows) == 12
    for row in table.rows:
        found = {table.effective(row.source, row.sink, profile).rank for profile in table.profiles_of(row)}
        assert min(found) >= row.guarantee.rank, row
        assert max(found) == row.guarantee.rank, row


@pytest.mark.parametrize(
    ("source", "sink", "profile"),
    [
        ("kafka", "parquet", "dev-local"),
        ("kafka", "kafka_transactional", "distributed-durable"),
        ("parquet_batch", "parquet_two_phase", "single-node-durable"),
    ],
)
def test_outside_the_table_is_refused_with_the_rows_there_are(source: str, sink: str, profile: str) -> None:
    with pytest.raises(UnsupportedCombination, match=f"{source} → {sink} under {profile} is unsupported"):
        load_catalog().guarantees["krishiv"].effective(source, sink, profile)


def test_a_profile_or_stronger_reaches_upward_only() -> None:
    table = load_catalog().guarantees["krishiv"]
    [row] = [row for row in table.rows if row.profile.endswith("+")]
    assert table.profiles_of(row) == ("single-node-durable", "distributed-durable")


def with_table(edit: Edit, text: str, claim: str, delivery: str = "{table: t, profile: disk}") -> Path:
    directory = edit("engines/reference.yaml", "title:", f"delivery: {delivery}\ntitle:")
    (directory / "guarantees").mkdir()
    (directory / "guarantees/t.yaml").write_text(text)
    engine = directory / "engines/reference.yaml"
    written = engine.read_text()
    assert "{support: Full," in written
    engine.write_text(written.replace("{support: Full,", f"{{support: Full, delivers: {claim},"))
    return directory


@pytest.mark.parametrize(
    ("text", "claim", "delivery", "said"),
    [
        (
            TABLE.replace("guarantee: at-least-once, certified", "guarantee: exactly-once, certified"),
            "{source: files, sink: plain}",
            "{table: t, profile: disk}",
            "its weakest link under disk is at-least-once",
        ),
        (
            TABLE,
            "{source: files, sink: plane}",
            "{table: t, profile: disk}",
            "`plane` is no sink of the table",
        ),
        (TABLE, "{source: files, sink: plain}", "{table: t, profile: disc}", "`disc` is no profile"),
        (TABLE, "{source: files, sink: plain}", "{table: u, profile: disk}", "no guarantee `u`"),
        (
            TABLE,
            "{source: files, sink: plain}",
            "{table: t, profile: disk}",
            "the table makes it best-effort",
        ),
        (
            TABLE.replace("sink: plain, profile", "sink: plane, profile"),
            "{source: files, sink: plain}",
            "{table: t, profile: disk}",
            "which is not described",
        ),
    ],
    ids=["row above its links", "sink", "profile", "table", "claim against table", "row of nothing"],
)
def test_what_does_not_agree_is_told(edit: Edit, text: str, claim: str, delivery: str, said: str) -> None:
    problems = problems_of(with_table(edit, text, claim, delivery))
    assert any(said in str(problem) for problem in problems), problems


def test_the_published_page_is_the_catalogues() -> None:
    assert (DOCS / "guarantees.md").read_text() == page(load_catalog()), (
        "run `python -m certification_pipeline.report.guarantees docs/guarantees.md`"
    )


def test_who_claims_a_row_stands_beside_it() -> None:
    catalog = load_catalog()
    frame = declared_frame(catalog.guarantees["krishiv"], catalog)
    here = dict(zip(zip(frame["source"], frame["sink"], strict=True), frame["here"], strict=True))
    assert here["Parquet (batch)", "Parquet (batch)"] == "krishiv: Full"
    assert here["Kafka", "Parquet"] == "nobody claims it"
