"""The table of defects is the plan's, to the letter (law 10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.report.calibration_table import with_table

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"


def test_the_published_table_is_the_plan() -> None:
    published = PAGE.read_text()
    assert published == with_table(published), (
        "write it anew: python -m certification_pipeline.report.calibration_table docs/calibration.md"
    )


def test_another_table_or_none_is_found() -> None:
    published = PAGE.read_text()
    assert with_table(published.replace("`drop_first_row`", "`drop_every_row`")) == published
    with pytest.raises(ValueError, match="lacks"):
        with_table("# A page\n")
