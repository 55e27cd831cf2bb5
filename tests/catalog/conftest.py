"""A small whole catalogue to break, and an editor for its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.problems import CatalogError

SMALL = {
    "systems.yaml": """\
        postgres:
          title: PostgreSQL
          kinds: [postgresql]
          remedy: install it
        duckdb:
          title: DuckDB
          remedy: install it
        """,
    "matrix.yaml": """\
        sources: [postgres]
        sinks: [postgres, duckdb]
        strategies:
          full_refresh: {}
          scd2: {not_sinks: [duckdb]}
        """,
    "profiles.yaml": """\
        embedded:
          title: Embedded
          seed_name: mock_contract
          description: all of it
          systems: [postgres, duckdb]
          engines: [reference]
        """,
    "scenarios.yaml": """\
        x-common: &common
          version: 1
          purpose: why
          method: how
          passes_when: what MUST be
          remedy: where to look
          proves: beta
        strategy.full_refresh:
          <<: *common
          title: Full refresh
          strategies: [full_refresh]
        strategy.scd2:
          <<: *common
          title: History
          strategies: [scd2]
        schema.null:
          <<: *common
          title: NULL allowed
          strategies: [full_refresh]
          requires_drift: null_
        """,
    "types.yaml": """\
        duckdb:
          decimal:
            physical: [decimal]
        """,
    "engines/reference.yaml": """\
        title: Reference
        description: does it right
        driver: {command: [python]}
        routes:
          - source: postgres
            sink: [postgres, duckdb]
            drift: {add: applied, null: applied}
            strategies:
              full_refresh: {support: Full, guarantee: effectively-once, drift: {add: ignored}}
        rest_of_matrix: {support: NotImplemented, note: not yet}
        """,
    "policies/house.yaml": """\
        title: House rules
        source: ours
        checks:
          live.smoke: {title: Live, passes_when: it MUST, remedy: try, item: live_tests}
        levels:
          - id: beta
            title: Beta
            requirements:
              - id: beta.drift
                text: Schema drift
                scenarios: ["schema.*"]
              - id: beta.live
                text: Live
                checks: [live.smoke]
        """,
}

Edit = Callable[[str, str, str], Path]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text).replace("null_", '"null"'), encoding="utf-8")
    return tmp_path


@pytest.fixture
def edit(small: Path) -> Edit:
    """Replace one text in one file; the text must be there once, else the test tests nothing."""

    def _edit(name: str, old: str, new: str) -> Path:
        file = small / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is in {name} {text.count(old)} times"
        file.write_text(text.replace(old, new), encoding="utf-8")
        return small

    return _edit


def problems_of(directory: Path) -> list[str]:
    """Each problem as ``file:line:column field | message | remedy``, paths relative to the directory."""
    with pytest.raises(CatalogError) as caught:
        load_catalog(directory)
    return [
        f"{p.file.relative_to(directory).as_posix()}:{p.line}:{p.column} {p.field} | {p.message} | {p.remedy}"
        for p in caught.value.problems
    ]
