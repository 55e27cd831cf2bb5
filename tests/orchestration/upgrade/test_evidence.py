"""Evidence of the previous release: verified, or a clear answer who can; never a traceback, never lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from certification_pipeline.orchestration.downloads.routes import evidence_routes
from tests.orchestration.conftest import House, failures
from tests.orchestration.stacks.stack import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

BACK = 100
RELEASE = "before"
GREEN, RED, INCONCLUSIVE = 0, 1, 3
ROUTE = dg.AssetKey(["matrix", "reference", "postgres", "duckdb"])
ASKED = (
    "--engine reference --route postgres_to_duckdb --strategy full_refresh --scenario strategy.full_refresh"
)


def certify(*words: str, code: Path = ROOT, evidence: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line of that state of the code, in this environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CERTIFY_")}
    for name in ("CERTIFY_CACHE", "CERTIFY_KEEP"):
        if name in os.environ:
            kept[name] = os.environ[name]
    where = {"CERTIFY_EVIDENCE_DIR": str(evidence)} if evidence else {}
    done = subprocess.run(
        [sys.executable, "-m", "certification_pipeline.cli", *words],
        cwd=code,
        env={**kept, **where, "PYTHONPATH": str(code), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
    )
    if code == ROOT:
        assert "Traceback" not in done.stdout + done.stderr, done.stderr[-3000:]
    return done


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def previous() -> str:
    """The newest release before this state; as long as there is none, a hundred commits back."""
    tags = [tag for tag in git("tag", "--merged", "HEAD~1", "--sort=-creatordate", "v*").splitlines() if tag]
    return git("rev-parse", f"{tags[0]}^{{commit}}" if tags else f"HEAD~{BACK}")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evidence that the code of then made: one cell that passed, and its verdict."""
    root = tmp_path_factory.mktemp("older")
    code, evidence = root / "code", root / "evidence"
    git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(code))
    git("-C", str(code), "checkout", "--quiet", "--detach", previous())
    sized = ("--family", "matrix", "--rows", "60", "--workers", "1", "--release-id", RELEASE)
    done = certify("run", *ASKED.split(), *sized, code=code, evidence=evidence)
    assert done.returncode == GREEN, done.stdout[-2000:] + done.stderr[-2000:]
    return evidence


@pytest.fixture
def evidence(older: Path, tmp_path: Path) -> Path:
    """A copy, as `certify verify` and the pipeline find it after the upgrade."""
    return Path(shutil.copytree(older, tmp_path / "house" / "evidence"))


@pytest.fixture
def upgraded(evidence: Path) -> Iterator[House]:
    made = House(evidence.parent)
    yield made
    made.instance.dispose()


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_verify_proves_it_or_says_which_version_can(evidence: Path) -> None:
    before = files(evidence)
    done = certify("verify", str(evidence), "--part", "--format", "json")
    said = json.loads(done.stdout)
    assert done.returncode in (GREEN, INCONCLUSIVE), done.stdout
    assert files(evidence) == before, "who verifies changes nothing"
    assert (said["findings"] != []) == (done.returncode == INCONCLUSIVE)
    for found in said["findings"]:
        assert all((found["message"], found["remedy"])), found
    judged = [found for found in said["findings"] if found["kind"] == "other_judge"]
    for found in judged:
        assert "git revision" in found["remedy"], "with what it can be verified"
    if done.returncode == INCONCLUSIVE:
        assert judged, said["findings"]


def test_that_it_is_old_excuses_nothing(evidence: Path) -> None:
    [cell] = (evidence / "releases" / RELEASE / "reference" / "cells").glob("*.json")
    cell.write_text(cell.read_text().replace('"rows": 60', '"rows": 61'))
    assert '"rows": 61' in cell.read_text()
    done = certify("verify", str(evidence), "--part")
    assert done.returncode == RED, done.stdout
    assert cell.name in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("levels", "--engine", "reference"),
        ("chain", "verify", "--engine", "reference"),
        ("report", "--release-id", RELEASE),
    ],
    ids=" ".join,
)
def test_it_can_still_be_read(evidence: Path, words: tuple[str, ...]) -> None:
    done = certify(*words, evidence=evidence)
    assert done.returncode == GREEN, done.stdout + done.stderr
    assert "reference" in done.stdout + (evidence / "releases" / RELEASE / "report.html").read_text()


def test_where_this_version_judges_otherwise_show_says_who_judged(evidence: Path) -> None:
    done = certify("show", "--release-id", RELEASE, evidence=evidence)
    assert "postgres_to_duckdb" in done.stdout
    if done.returncode != GREEN:
        assert "judged by certification_pipeline" in done.stderr
        assert "Verify with the version that judged" in done.stderr


def test_a_new_release_follows_it_in_one_chain(evidence: Path) -> None:
    before = files(evidence / "releases" / RELEASE)
    sized = ("--family", "matrix", "--rows", "60", "--workers", "1", "--release-id", "after")
    done = certify("run", *ASKED.split(), *sized, evidence=evidence)
    assert done.returncode == GREEN, done.stdout + done.stderr
    assert certify("chain", "verify", "--engine", "reference", evidence=evidence).returncode == GREEN
    assert files(evidence / "releases" / RELEASE) == before
    done = certify("verify", str(evidence), "--part", "--format", "json")
    # The new one is green here; of the old one nobody but its own judge can tell more.
    assert done.returncode in (GREEN, INCONCLUSIVE), done.stdout
    assert not [f for f in json.loads(done.stdout)["findings"] if "releases/after/reference" in f["path"]]


def test_dagster_refuses_to_go_on_with_it_and_says_why(upgraded: House) -> None:
    """Another judge must not fill up what an earlier one began: the subject is another by digest."""
    directory = upgraded.directory(RELEASE)
    cells = files(directory.path / "cells")
    rerun = upgraded.only(checks=(dg.AssetCheckKey(ROUTE, "full_refresh"),), release=RELEASE)
    verdict = upgraded.job("verdict", RELEASE)
    publish = upgraded.only(dg.AssetKey(["publish", "reference"]), release=RELEASE)
    for result, begins in ((rerun, "matrix_"), (verdict, "evidence__"), (publish, "publish__")):
        for step, said in failures(result).items():
            assert step.startswith((begins, "verdict__")), (step, said)
            assert "certify " in said, "what to do about it"
    if not rerun.success:
        assert "Begin a new release" in failures(rerun)["matrix_reference"]
    assert files(directory.path / "cells").keys() == cells.keys(), "none is lost"


def test_the_room_of_evidence_serves_it(evidence: Path) -> None:
    client = TestClient(Starlette(routes=evidence_routes(lambda: evidence)))
    listed = client.get("/evidence/")
    assert listed.status_code == 200
    assert RELEASE in listed.text
    assert client.get(f"/evidence/releases/{RELEASE}/").status_code == 200
