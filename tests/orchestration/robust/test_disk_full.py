"""The evidence's disk is full: the failure names file and remedy, nothing is half-written, a rerun works."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.files import is_temporary
from tests.orchestration.stacks.disk import fill, grow
from tests.orchestration.stacks.size import SIZE
from tests.orchestration.stacks.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

RELEASE = "full"


def test_a_full_disk_is_told_plainly_and_a_rerun_works(stack: Stack) -> None:
    with stack.small_disk(RELEASE) as disk:
        planned = stack.launch(RELEASE, assets=["plan"], config=SIZE)
        assert stack.ended(planned) == "SUCCESS", stack.messages(planned)
        ballast = fill(disk)
        full = stack.launch(RELEASE)
        assert stack.ended(full) == "FAILURE"
        said = stack.messages(full)
        assert f"/releases/{RELEASE}" in said
        assert "No space left on device" in said
        assert "free some space" in said
        assert "Traceback" not in said
        assert not [path for path in disk.rglob("*") if is_temporary(path.name)]
        ballast.unlink()
        grow(disk)
        again = stack.launch(RELEASE)
        assert stack.ended(again) == "SUCCESS", stack.messages(again)
        assert stack.summary(RELEASE).outcome is Outcome.PASSED
