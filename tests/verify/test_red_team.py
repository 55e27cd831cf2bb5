"""Every way we could think of to make a red release look green, by somebody who has no key."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.loading import PACKAGED as CATALOG_DATA
from certification_pipeline.catalog.vocabulary import Family, Outcome, ReasonCode
from certification_pipeline.evidence.canonical import parse, render, seal
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell, Selection
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.decide import decide
from certification_pipeline.gates.seal import seal_decisions
from certification_pipeline.gates.verify.finding import Kind
from certification_pipeline.gates.verify.result import VerifiedEvidence
from tests.evidence.builders import cell, row_judgement
from tests.verify.builders import CATALOG, SMALL, decided, make_plan, record, verified

ENGINE = "reference"
AWAY = ReasonCode.SERVICE_UNAVAILABLE


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A green release, then one that lost three rows."""
    root = tmp_path_factory.mktemp("red") / "evidence"
    decided(root, "r1")
    decided(root, "r2", lost=3, minutes=60)
    found = verified(root)
    assert (found.verified, found.outcome) == (Outcome.PASSED, Outcome.FAILED), found.findings
    return root


@pytest.fixture
def root(red: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(red, tmp_path / "evidence"))


@pytest.fixture
def directory(root: Path) -> SubjectDir:
    return EvidenceStore(root).release("r2", ENGINE)


def read_plan(directory: SubjectDir) -> CertificationPlan:
    return directory.read(directory.plan_path, CertificationPlan)


def reseal(directory: SubjectDir, **changes: Any) -> CertificationPlan:
    """Write a changed plan with its digest made right, and every cell's with it."""
    made = read_plan(directory).model_copy(update=changes)
    made = made.model_copy(update={"plan_digest": made.recompute_digest()})
    directory.plan_path.write_bytes(render(made))
    planned = {f"{one.key.cell_id}.json" for one in made.cells if one.disposition == "run"}
    for path in (directory.path / "cells").iterdir():
        if path.name not in planned:
            path.unlink()
            continue
        found = parse(path.read_bytes(), CellEvidence, path.name)
        path.write_bytes(render(found.model_copy(update={"plan_digest": made.plan_digest})))
    return made


def failed_cell(directory: SubjectDir) -> PlannedCell:
    return next(one for one in read_plan(directory).cells if one.disposition == "run")


def changed_cell(directory: SubjectDir, **changes: Any) -> tuple[PlannedCell, ...]:
    """The plan's cells with the failed one changed."""
    failed = failed_cell(directory)
    return tuple(
        one.model_copy(update=changes) if one is not failed and one.key == failed.key else one
        for one in read_plan(directory).cells
    )


def kinds(found: VerifiedEvidence) -> set[Kind]:
    return {one.kind for one in found.findings}


def said(found: VerifiedEvidence) -> str:
    return "\n".join(map(str, found.findings))


def _untested(directory: SubjectDir) -> None:
    changes = {"disposition": "untested", "reason": AWAY, "detail": "it was away", "remedy": "wait"}
    reseal(directory, cells=changed_cell(directory, **changes))


def _not_required(directory: SubjectDir) -> None:
    reseal(directory, cells=changed_cell(directory, required=False))


def _untested_and_not_required(directory: SubjectDir) -> None:
    changes = {"disposition": "untested", "reason": AWAY, "detail": "it was away", "remedy": "wait"}
    reseal(directory, cells=changed_cell(directory, required=False, **changes))


def _inapplicable(directory: SubjectDir) -> None:
    changes = {"disposition": "inapplicable", "reason": ReasonCode.NOT_DECLARED, "detail": "never said"}
    reseal(directory, cells=changed_cell(directory, required=False, **changes))


def _left_out(directory: SubjectDir) -> None:
    failed = failed_cell(directory)
    reseal(directory, cells=tuple(one for one in read_plan(directory).cells if one.key != failed.key))


def _an_older_version_of_the_scenario(directory: SubjectDir) -> None:
    reseal(directory, cells=changed_cell(directory, scenario_version=0))


def _other_rows_of_one_cell(directory: SubjectDir) -> None:
    reseal(directory, cells=changed_cell(directory, rows=0))


def _superseded(directory: SubjectDir) -> None:
    (directory.path / "superseded").mkdir()
    name = f"{failed_cell(directory).key.cell_id}.json"
    (directory.path / "cells" / name).rename(directory.path / "superseded" / name)


def _no_judgements(directory: SubjectDir) -> None:
    path = directory.cell_path(failed_cell(directory).key.cell_id)
    found = parse(path.read_bytes(), CellEvidence, path.name)
    path.write_bytes(
        render(found.model_copy(update={"judgements": (), "outcome": Outcome.PASSED, "passed": True}))
    )


def _says_passed(directory: SubjectDir) -> None:
    path = directory.cell_path(failed_cell(directory).key.cell_id)
    found = parse(path.read_bytes(), CellEvidence, path.name)
    path.write_bytes(render(found.model_copy(update={"outcome": Outcome.PASSED, "passed": True})))


def _another_engine(directory: SubjectDir) -> None:
    """Green cells of another engine in the place of what failed."""
    name = failed_cell(directory).key.cell_id
    path = directory.cell_path(name)
    other = json.loads((directory.path.parents[1] / "r1" / ENGINE / "cells" / path.name).read_text())
    other["key"]["engine"] = other["subject"]["engine"] = "dlt"
    path.write_text(json.dumps(other, indent=2, sort_keys=True) + "\n")


def _an_older_green_cell(directory: SubjectDir) -> None:
    name = f"{failed_cell(directory).key.cell_id}.json"
    shutil.copy(directory.path.parents[1] / "r1" / ENGINE / "cells" / name, directory.path / "cells" / name)


def _that_cell_under_this_release(directory: SubjectDir) -> None:
    """As it would be, had it been recorded here; but it was recorded before this plan was sealed."""
    path = directory.cell_path(failed_cell(directory).key.cell_id)
    old = parse(
        (directory.path.parents[1] / "r1" / ENGINE / "cells" / path.name).read_bytes(), CellEvidence, "old"
    )
    plan = read_plan(directory)
    changes = {"release_id": plan.release_id, "plan_digest": plan.plan_digest}
    path.write_bytes(render(old.model_copy(update=changes)))


def _fewer_families(directory: SubjectDir) -> None:
    """A whole plan without the families that its profile asks for."""
    whole = make_plan("r2", minutes=60, routes=(), strategies=(), scenarios=())
    cells = read_plan(directory).cells
    reseal(directory, selection=Selection(), cells=cells, families=whole.families)


def _a_smaller_profile(directory: SubjectDir) -> None:
    smaller = next(name for name in CATALOG.profiles if name != "embedded")
    reseal(directory, profile=smaller)


DECIDED_AGAIN: dict[str, Callable[[SubjectDir], None]] = {
    one.__name__.strip("_").replace("_", " "): one
    for one in (
        _untested,
        _not_required,
        _untested_and_not_required,
        _inapplicable,
        _left_out,
        _an_older_version_of_the_scenario,
        _other_rows_of_one_cell,
        _superseded,
        _no_judgements,
        _says_passed,
        _another_engine,
        _an_older_green_cell,
        _that_cell_under_this_release,
        _fewer_families,
        _a_smaller_profile,
    )
}


FEW = ("left out", "untested and not required")
"""Of these by day, of all by night."""


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=() if how in FEW else pytest.mark.nightly) for how in DECIDED_AGAIN]
)
def test_evidence_doctored_and_decided_on_again_is_never_green(
    root: Path, directory: SubjectDir, how: str
) -> None:
    """The forger runs our own gates on it, so that every digest and the chain are right."""
    DECIDED_AGAIN[how](directory)
    decide(directory, "forged")
    found = verified(root, release_id="r2")
    assert found.outcome is not Outcome.PASSED
    if found.verified is Outcome.PASSED:  # the gates themselves are red, and that is what is told
        assert found.releases[0].blockers
    else:
        assert any(one.path.startswith("releases/r2/") for one in found.findings), said(found)


@pytest.mark.nightly
@pytest.mark.parametrize("how", DECIDED_AGAIN)
def test_the_same_with_the_green_decision_of_before_is_found(
    root: Path, directory: SubjectDir, how: str
) -> None:
    DECIDED_AGAIN[how](directory)
    found = verified(root, release_id="r2")
    assert found.verified is Outcome.FAILED
    assert any(one.path.startswith("releases/r2/") for one in found.findings)


def test_a_plan_that_asks_for_less_is_told_cell_by_cell(root: Path, directory: SubjectDir) -> None:
    name = failed_cell(directory).key.cell_id
    _not_required(directory)
    decide(directory, "forged")
    found = verified(root, release_id="r2")
    assert found.verified is Outcome.FAILED
    (one,) = [one for one in found.findings if one.kind is Kind.FORGED]
    assert one.path == f"releases/r2/{ENGINE}/certification_automation_plan.json"
    assert one.field == f"cells[{name}].required" or name in str(one)
    assert "says False, is True" in one.message


@pytest.mark.nightly
def test_narrowed_to_what_is_green_and_saying_so_is_told_to_be_a_part(
    root: Path, directory: SubjectDir
) -> None:
    failed = failed_cell(directory)
    selection = Selection(**(SMALL | {"scenarios": ("incr.noop",)}))
    cells = make_plan("r2", minutes=60, **(SMALL | {"scenarios": ("incr.noop",)})).cells
    assert failed.key not in {one.key for one in cells}
    reseal(directory, selection=selection, cells=cells)
    assert decide(directory, "forged").summary.passed
    found = verified(root, release_id="r2", part=False)
    assert found.outcome is Outcome.CANT_TELL
    assert kinds(found) == {Kind.PART}
    assert "scenarios: incr.noop" in said(found)


@pytest.mark.nightly
def test_another_catalogue_is_never_green(root: Path, directory: SubjectDir) -> None:
    """What this certify cannot hold a plan to, it does not vouch for."""
    failed = failed_cell(directory)
    reseal(
        directory,
        catalog_digest="sha256:" + "0" * 64,
        cells=tuple(one for one in read_plan(directory).cells if one.key != failed.key),
    )
    assert decide(directory, "forged").summary.passed
    found = verified(root, release_id="r2")
    assert found.outcome is Outcome.CANT_TELL
    (one,) = found.findings
    assert (one.kind, one.field) == (Kind.OTHER_JUDGE, "catalog_digest")
    assert "pip install certification_pipeline==" in one.remedy


def _summary(directory: SubjectDir, **changes: Any) -> None:
    found = directory.read(directory.summary_path, ReleaseSummary).model_dump(mode="json")
    typed = found | {"outcome": "passed", "passed": True, "evidence_status": "PASS", "blockers": []} | changes
    typed["items"] = [item | {"outcome": "passed", "passed": True} for item in typed["items"]]
    typed["content_digest"] = ""
    directory.summary_path.write_bytes(seal((json.dumps(typed, indent=2, sort_keys=True) + "\n").encode())[0])


def test_a_summary_typed_by_hand_with_its_digest_right_is_forged(root: Path, directory: SubjectDir) -> None:
    _summary(directory)
    found = verified(root)
    assert found.verified is Outcome.FAILED
    about = [one for one in found.findings if one.path.endswith("release_summary.json")]
    assert any(one.field == "outcome" and "says 'passed', is 'failed'" in one.message for one in about)


@pytest.mark.nightly
def test_nor_does_it_help_to_claim_another_version(root: Path, directory: SubjectDir) -> None:
    producer = {"name": "certification_pipeline", "version": "9.9", "git_revision": None, "git_dirty": None}
    _summary(directory, producer=producer)
    found = verified(root, release_id="r2")
    assert found.outcome is not Outcome.PASSED
    assert any("9.9" in one.message for one in found.findings)


def test_three_fields_are_no_summary(root: Path, directory: SubjectDir) -> None:
    """dpone's release summary goes green on this."""
    directory.summary_path.write_text('{"release_id": "r2", "passed": true, "blockers": []}')
    assert verified(root).verified is Outcome.FAILED


@pytest.mark.nightly
def test_a_green_release_under_a_new_name(root: Path) -> None:
    shutil.copytree(root / "releases/r1", root / "releases/r3")
    found = verified(root)
    assert found.verified is Outcome.FAILED
    assert any(one.path.startswith("releases/r3") for one in found.findings)


@pytest.mark.nightly
def test_even_chained_it_is_another_releases(root: Path) -> None:
    shutil.copytree(root / "releases/r1", root / "releases/r3")
    with_chain = EvidenceStore(root).release("r3", ENGINE)
    with pytest.raises(Exception, match="r1"):
        decide(with_chain, "forged")
    assert verified(root).verified is Outcome.FAILED


@pytest.mark.nightly
def test_a_green_release_in_the_place_of_a_red_one(root: Path) -> None:
    shutil.rmtree(root / "releases/r2")
    shutil.copytree(root / "releases/r1", root / "releases/r2")
    found = verified(root)
    assert found.verified is Outcome.FAILED


@pytest.mark.nightly
def test_a_link_to_a_green_release(root: Path) -> None:
    shutil.rmtree(root / "releases/r2")
    (root / "releases/r2").symlink_to("r1", target_is_directory=True)
    found = verified(root)
    assert found.verified is Outcome.FAILED
    assert any(one.path.startswith("releases/r2") for one in found.findings)


def test_latest_that_names_an_older_green_one(root: Path) -> None:
    (root / "latest").write_text("r1\n")
    found = verified(root)
    assert (found.verified, found.findings[0].path) == (Outcome.FAILED, "latest")
    assert "says 'r1', the newest release is 'r2'" in found.findings[0].message


@pytest.mark.nightly
def test_an_older_green_release_decided_again_hides_no_newer_red_one(root: Path) -> None:
    decide(EvidenceStore(root).release("r1", ENGINE), "again")
    (root / "latest").write_text("r1\n")
    found = verified(root)
    assert found.outcome is Outcome.FAILED
    assert {one.release_id for one in found.releases if one.counts} == {"r1", "r2"}


@pytest.mark.nightly
@pytest.mark.parametrize("of", ["r1", "r2"])
def test_a_publication_typed_by_hand(root: Path, of: str) -> None:
    """Green over the red release; or of the green one, but said to be the red one."""
    source = EvidenceStore(root).release(of, ENGINE)
    if of == "r2":
        _summary(source)
    typed = json.loads(source.summary_path.read_text()) | {"release_id": "r2", "content_digest": ""}
    (root / "published").mkdir()
    data = seal((json.dumps(typed, indent=2, sort_keys=True) + "\n").encode())[0]
    (root / "published" / f"{ENGINE}.json").write_bytes(data)
    found = verified(root)
    assert found.verified is Outcome.FAILED
    assert any(one.path == f"published/{ENGINE}.json" for one in found.findings)


@pytest.mark.nightly
def test_a_flaky_pass_whose_failure_was_taken_out(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    directory, first = decided(root, "r1", lost=3)
    assert not first.summary.passed
    failed = failed_cell(directory)
    directory.write(cell(read_plan(directory), failed, (row_judgement(),), run_id="run-2", minutes=20))
    assert not decide(directory, "run-2").summary.passed, "pass after fail is flaky"
    path = directory.cell_path(failed.key.cell_id)
    value = json.loads(path.read_text()) | {"attempts": [], "outcome": "passed", "passed": True}
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    found = verified(root)
    assert found.verified is Outcome.FAILED
    assert any(one.path.endswith(path.name) for one in found.findings)


@pytest.mark.nightly
def test_a_family_that_is_required_is_not_taken_out_of_the_plan(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    everything = {"families": ("calibration",), **SMALL}
    plan = make_plan("r1", **SMALL)
    assert plan.families == ()
    directory = EvidenceStore(root).release("r1", ENGINE)
    asked = plan.model_copy(
        update={
            "selection": Selection(**everything),
            "families": (Family.CALIBRATION,),
        }
    )
    asked = asked.model_copy(update={"plan_digest": asked.recompute_digest()})
    assert record(root, asked).path == directory.path
    assert not decide(directory, "run-1").summary.passed, "there is no calibration"
    reseal(directory, families=())
    assert decide(directory, "forged").summary.passed
    found = verified(root)
    assert found.verified is Outcome.FAILED
    assert [one.field for one in found.findings if one.kind is Kind.FORGED] == ["families"]


def _level_up(value: dict[str, Any]) -> dict[str, Any]:
    for one in value["connectors"]:
        one |= {"level": "production-certified", "next_level": None, "missing": [], "suspended": False}
    return value | {"outcome": "passed", "passed": True, "evidence_status": "PASS", "blockers": []}


@pytest.mark.nightly
def test_levels_typed_by_hand_are_granted_again(root: Path, directory: SubjectDir) -> None:
    path = directory.path / "connector_levels.json"
    typed = _level_up(json.loads(path.read_text())) | {"content_digest": ""}
    path.write_bytes(seal((json.dumps(typed, indent=2, sort_keys=True) + "\n").encode())[0])
    found = verified(root)
    assert found.verified is Outcome.FAILED
    assert any(one.path.endswith("connector_levels.json") for one in found.findings), "its statement says so"
    made = directory.read("connector_levels.json", ConnectorLevels)
    (directory.path / "connector_levels.md").write_bytes(markdown(made).encode())
    seal_decisions(directory, None)
    found = verified(root)
    assert found.verified is Outcome.FAILED
    about = [one for one in found.findings if one.path.endswith("connector_levels.json")]
    assert {one.kind for one in about} == {Kind.FORGED}
    assert any("production-certified" in one.message for one in about)


@pytest.mark.nightly
def test_engines_that_lie_where_it_is_run_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory handed over may hold an `engines/` that claims as little as its maker likes."""
    from certification_pipeline.cli.verify import trusted_catalog

    engine = tmp_path / "engines" / "mine"
    engine.mkdir(parents=True)
    source = Path(CATALOG_DATA / "engines" / "sling.yaml").read_text()
    (engine / "engine.yaml").write_text(source)
    monkeypatch.chdir(tmp_path)
    assert "mine" not in trusted_catalog().engines
