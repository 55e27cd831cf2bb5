"""Every word of the closed vocabularies has words for people; a new one without them is red here."""

from __future__ import annotations

from typing import get_args

import pytest

from certification_pipeline.catalog.vocabulary import ReasonCode
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.report.causes import REASON_TITLES, fact


def test_every_reason_has_a_title() -> None:
    assert set(REASON_TITLES) == set(ReasonCode)


@pytest.mark.parametrize("comparison", get_args(CheckJudgement.model_fields["comparison"].annotation))
def test_every_comparison_can_be_told(comparison: str) -> None:
    judgement = CheckJudgement.model_validate(
        {"step": "load 1", "name": "rows", "expected": 1, "observed": 2, "comparison": comparison}
    )
    assert "saw 2" in fact(judgement)
