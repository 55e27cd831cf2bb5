from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify
from tests.dbt_lineage.material import LANDED, RECORDED, Recorded


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    """Evidence a command may write to."""
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


def files(*roles: str) -> list[object]:
    options = {"manifest": "--manifest", "run_results": "--run-results", "catalog": "--catalog"}
    return [word for role in roles for word in (options[role], RECORDED / f"{role}.json")]


def test_ones_own_dbt_run_is_judged_as_a_claim(certify: Certify, copy: Path) -> None:
    source = Recorded().files["manifest"]["sources"][LANDED]
    loaded = ("--loaded", f"{source['schema']}.{source['identifier']}")
    own = files("manifest", "run_results", "catalog")
    answer = certify("dbt-lineage", *own, *loaded, "--evidence-dir", copy, "--format", "json")
    assert answer.code == 0, answer.out + answer.err
    assert json.loads(answer.out)["reference"]["source"] == "given"
    assert "nothing was loaded, judged or run here" in answer.err


def test_without_run_results_it_is_red_and_says_what_to_do(certify: Certify, copy: Path) -> None:
    answer = certify("dbt-lineage", *files("manifest", "catalog"), "--evidence-dir", copy)
    assert answer.code == 1
    assert "dbt_lineage.missing:dbt/given/run_results.json" in answer.out
    assert "→ Run `dbt build`" in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (files("run_results"), "--run-results needs --manifest"),
        (["--loaded", "a.b"], "--loaded needs --manifest"),
        ([*files("manifest"), "--target", "duckdb"], "give one"),
        (["--target", "oracle"], "oracle"),
        (["--release-id", "no-such"], "no-such"),
        (["--engine", "no-such"], "no-such"),
    ],
)
def test_wrong_usage_is_told_and_writes_nothing(
    certify: Certify, copy: Path, words: list[object], said: str
) -> None:
    answer = certify("dbt-lineage", *words, "--evidence-dir", copy)
    assert answer.code == 2
    assert said in answer.err
    assert not list(copy.rglob("dbt_lineage.json"))
