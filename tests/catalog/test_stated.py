"""What vendors say, as data: it names engines, levels, rows and scenarios there are, and holds no verdict."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.catalog.stated import VendorStatements, load_stated

GOOD = """\
title: dpone
engines: [dpone]
documents:
  page: {title: A page, source: seed 000}
claims:
  - id: one
    document: page
    text: Idempotent task reruns.
    scenarios: ["idem.*"]
    contradicted_by: [duplicate]
  - id: two
    document: page
    text: Beta
    level: {policy: dpone, level: beta, unit: postgres}
  - id: three
    document: page
    text: Best effort
    guarantee: {table: krishiv, source: parquet_batch, sink: parquet_batch}
"""


def loaded(folder: Path, text: str) -> tuple[VendorStatements, ...]:
    (folder / "dpone.yaml").write_text(dedent(text), encoding="utf-8")
    return load_stated(load_catalog(), folder)


def test_a_vendors_statements_are_read(tmp_path: Path) -> None:
    [vendor] = loaded(tmp_path, GOOD)
    assert vendor.id == "dpone"
    assert [claim.id for claim in vendor.claims] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("engines: [dpone]", "engines: [dpune]", "engine `dpune` is unknown"),
        ("document: page", "document: pge", "document `pge` is unknown"),
        ('["idem.*"]', '["idm.*"]', "`idm.*` matches no scenario"),
        ("level: beta", "level: gamma", "no level `gamma` of `dpone`"),
        ("sink: parquet_batch", "sink: vector", "has no such row"),
        ("id: two", "id: one", "`one` is there twice"),
        ('scenarios: ["idem.*"]', "fields: [run_id]", "`contradicted_by` is about scenarios"),
        ("    level: {policy: dpone, level: beta, unit: postgres}\n", "", "nothing could ever show it"),
        ("text: Beta", "text: Beta\n    verdict: supported", "unknown key `verdict`"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(CatalogError) as caught:
        loaded(tmp_path, GOOD.replace(old, new))
    assert said in str(caught.value)


def test_the_packaged_ones_hold_the_seeds_matrices_whole() -> None:
    catalog = load_catalog()
    dpone, krishiv = load_stated(catalog)
    assert sum(claim.document == "matrix" for claim in dpone.claims) == 16
    table = catalog.guarantees["krishiv"]
    spoken_of = {
        (claim.guarantee.source, claim.guarantee.sink) for claim in krishiv.claims if claim.guarantee
    }
    assert spoken_of == {(row.source, row.sink) for row in table.rows}
    for claim in krishiv.claims:
        if claim.guarantee is not None:
            row = next(
                row
                for row in table.rows
                if (row.source, row.sink) == (claim.guarantee.source, claim.guarantee.sink)
            )
            assert row.certified == ("Yes" in claim.text)
            assert (claim.level is not None) == row.certified or claim.id == "memory"


def test_they_are_no_part_of_a_plans_catalogue() -> None:
    catalog = load_catalog()
    before = catalog_digest(catalog)
    load_stated(catalog)
    assert catalog_digest(catalog) == before
