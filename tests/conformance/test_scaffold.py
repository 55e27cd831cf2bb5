"""What `certify engine scaffold` writes runs at once; the tutorial is true."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from certification_pipeline.harness.engines.scaffolding import scaffold
from tests.cli.conftest import Certify, certify

__all__ = ["certify"]

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def test_it_writes_a_folder_that_the_catalogue_knows(certify: Certify, tmp_path: Path) -> None:
    answer = certify("engine", "scaffold", "mine", "--lang", "shell")
    assert answer.code == 0
    assert (tmp_path / "engines/mine/driver.sh").stat().st_mode & 0o100
    listed = json.loads(certify("engine", "list", "--format", "json").out)
    assert [one["strategies"] for one in listed if one["engine"] == "mine"] == ["full_refresh"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("reference", "there is an engine 'reference' already"), ("My-Engine", "cannot be an engine's id")],
)
def test_a_name_that_will_not_do_is_refused(certify: Certify, tmp_path: Path, name: str, says: str) -> None:
    answer = certify("engine", "scaffold", name)
    assert answer.code == 2
    assert says in answer.err
    assert not (tmp_path / "engines").exists()


def test_nothing_is_overwritten(certify: Certify, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "mine").mkdir(parents=True)
    answer = certify("engine", "scaffold", "mine", "--directory", "elsewhere")
    assert answer.code == 2
    assert "is there already" in answer.err


@pytest.mark.parametrize("language", ["python", "shell"])
def test_no_placeholder_is_left(tmp_path: Path, language: str) -> None:
    for path in scaffold("mine", language, tmp_path):  # type: ignore[arg-type]
        assert not re.search(r"\bENGINE_(ID|TITLE|DRIVER|FILE)\b", path.read_text()), path


@pytest.mark.integration
@pytest.mark.nightly
@pytest.mark.parametrize("language", ["python", "shell"])
def test_what_it_writes_keeps_the_protocol(certify: Certify, language: str) -> None:
    assert certify("engine", "scaffold", "mine", "--lang", language, "--directory", "some").code == 0
    answer = certify("engine", "check", "some/mine", "--format", "json")
    checks = {one["check"]: one["outcome"] for one in json.loads(answer.out)["checks"]}
    assert set(checks.values()) == {"passed"}, checks
    assert answer.code == 0


@pytest.mark.integration
@pytest.mark.nightly
def test_the_tutorial_is_true(certify: Certify) -> None:
    blocks = re.findall(r"```console\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.strip().splitlines()]
    assert len(lines) >= 5
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "certify"
        answer = certify(*words)
        assert answer.code == 0, f"{line}\n{answer.out}\n{answer.err}"
    matrix = json.loads(certify("matrix", "--by", "cell", "--format", "json").out)
    ran = [one["scenario"] for one in matrix if one["outcome"] == "✓ passed"]
    assert ran == ["strategy.full_refresh"], matrix
    # The release stands by itself: it verifies without the folder of its connector.
    shutil.rmtree("engines")
    assert certify("release-summary").code == 0
    again = certify("run", "--engine", "acme")
    assert again.code == 2
    assert "'acme' matches nothing" in again.err
