"""A stranger who does what each blocker says arrives at green."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Certify


def remove(*names: str) -> Callable[[Path], None]:
    def act(root: Path) -> None:
        for name in names:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return act


PLACE = "releases/green/reference"


@pytest.mark.parametrize("start", [pytest.param("suite", marks=pytest.mark.nightly), "release-summary"])
@pytest.mark.parametrize(
    "spoil",
    [
        remove(f"{PLACE}/certification_report.json"),
        remove(f"{PLACE}/certification_suite.json"),
        remove(f"{PLACE}/strategy_certification_bundle.json"),
        remove(f"{PLACE}/ops_evidence_bundle.json"),
        remove(f"{PLACE}/artifact_index.json"),
        remove(f"{PLACE}/release_summary.json"),
        remove("chain"),
        remove("chain", f"{PLACE}/artifact_index.json", f"{PLACE}/certification_suite.json"),
    ],
)
def test_what_is_missing_is_made_again(
    certify: Certify, root: Path, spoil: Callable[[Path], None], start: str
) -> None:
    spoil(root)
    switches = ["--require-strategy-certification", "--require-evidence"]
    command: list[str] = [start, "--engine", "reference", "--release-id", "green", *switches]
    for _ in range(5):
        answer = certify(*command, "--evidence-dir", root, "--format", "json")
        [made] = json.loads(answer.out)
        if answer.code == 0 and command[0] == "release-summary":
            break
        if answer.code == 0:  # a piece is made: on to the decision it belongs to
            command = ["release-summary", "--engine", "reference", "--release-id", "green", *switches]
            continue
        step = shlex.split(made["blockers"][0]["next_step"])
        assert step[0] == "certify"
        command = step[1:]
    else:
        pytest.fail(f"never green: {made['blockers']}")
    assert certify("chain", "verify", "--evidence-dir", root, "--engine", "reference").code == 0
