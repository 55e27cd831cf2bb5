"""Both bundles: absence is never a pass, nothing is believed, every edit and swap is found."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.bundle import (
    EvidenceKind,
    OpsEvidenceBundle,
    StrategyCertificationBundle,
)
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.gates.bundle_writer import BundleRequest, asked_before, write_strategy
from certification_pipeline.gates.docs_links import default_links
from certification_pipeline.gates.evidence_bundle import evidence_bundle
from certification_pipeline.gates.families import VERIFIERS, required_by
from certification_pipeline.gates.strategy_bundle import strategy_bundle
from certification_pipeline.gates.verification import EvidenceFile, Verification, read_plan
from certification_pipeline.gates.verifiers import Verifiers
from tests.evidence.builders import SMALL, cell, provenance, row_judgement
from tests.gates.families import artifact, believing, finding, knowing, planned
from tests.gates.releases import bundles, codes, report, suite, write_json

KINDS = {
    EvidenceKind.REPLAY: Family.REPLAY,
    EvidenceKind.CONNECTOR: Family.CONNECTOR_LIVE,
    EvidenceKind.BENCHMARK: Family.BENCHMARK,
}
ALL = tuple(family for family in Family if family is not Family.MATRIX)


def strategy(
    directory: SubjectDir, verifiers: Verifiers = VERIFIERS, **options: Any
) -> StrategyCertificationBundle:
    sealed = read_plan(directory)
    return strategy_bundle(directory, sealed, provenance(60.5), bundle_id="b", verifiers=verifiers, **options)


def evidence(directory: SubjectDir, verifiers: Verifiers = VERIFIERS) -> OpsEvidenceBundle:
    return evidence_bundle(directory, read_plan(directory), provenance(60.5), verifiers=verifiers)


def judge(directory: SubjectDir, name: str, verifiers: Verifiers = VERIFIERS) -> Verification:
    file = EvidenceFile(name, directory.read_bytes(name))
    return verifiers[layout.schema_name(name)](directory, file, read_plan(directory), provenance(61))


# --- what must be there ----------------------------------------------------------------------------


def test_with_the_matrix_alone_both_are_green(tmp_path: Path) -> None:
    directory = planned(tmp_path, ())
    made = strategy(directory)
    assert (made.passed, made.blockers) == (True, ())
    assert [(i.kind.value, i.required, i.present) for i in made.evidence_items] == [
        ("replay", False, False),
        ("matrix", True, True),
        ("connector", False, False),
        ("benchmark", False, False),
    ]
    assert (made.summary.total_items, made.summary.present_items, made.summary.passed_items) == (4, 1, 1)
    assert evidence(directory).passed
    assert not any(item.passed for item in made.evidence_items if not item.present)


def test_without_the_matrix_a_bundle_is_red(tmp_path: Path) -> None:
    directory = planned(tmp_path, (), reported=False)
    assert codes(strategy(directory)) == ["matrix.missing:certification_report.json"]
    assert strategy(directory).outcome is Outcome.FAILED
    assert codes(evidence(directory)) == ["certification.missing:certification_report.json"]


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_the_sealed_plan_holds_must_be_there(tmp_path: Path, kind: EvidenceKind) -> None:
    directory = planned(tmp_path, [KINDS[kind]])
    made = strategy(directory)
    assert made.outcome is Outcome.FAILED
    [blocker] = made.blockers
    assert blocker.code == f"{kind.value}.missing:{layout.FAMILY_ARTIFACTS[KINDS[kind]]}"
    assert f"--family {KINDS[kind].value}" in blocker.next_step


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_named_must_be_there(tmp_path: Path, kind: EvidenceKind) -> None:
    made = strategy(planned(tmp_path, ()), paths={kind: "elsewhere.json"})
    assert codes(made) == [f"{kind.value}.missing:elsewhere.json"]
    assert made.blockers[0].next_step.startswith("certify strategy-bundle")


@pytest.mark.parametrize("family", ALL)
def test_the_evidence_bundle_misses_what_the_plan_holds(tmp_path: Path, family: Family) -> None:
    made = evidence(planned(tmp_path, [family]))
    assert made.outcome is Outcome.FAILED
    assert any(code.endswith(f".missing:{layout.FAMILY_ARTIFACTS[family]}") for code in codes(made))


def test_any_family_calls_for_the_evidence_bundle_and_replay_for_the_strategy_bundle() -> None:
    assert required_by(()) == frozenset()
    for family in ALL:
        assert ItemName.EVIDENCE_BUNDLE in required_by([family])
    for family in (Family.REPLAY, Family.CONNECTOR_LIVE):
        assert ItemName.STRATEGY_CERTIFICATION_BUNDLE in required_by([family])


# --- nothing is believed ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(KINDS))
def test_without_a_verifier_the_best_claim_is_never_green(tmp_path: Path, kind: EvidenceKind) -> None:
    directory = planned(tmp_path, [KINDS[kind]])
    artifact(directory, KINDS[kind])
    made = strategy(directory, knowing(KINDS[kind]))
    assert not made.passed
    assert codes(made) == [f"{kind.value}.not_verified:{layout.FAMILY_ARTIFACTS[KINDS[kind]]}"]


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.PASSED, Outcome.PASSED),
        (Outcome.FAILED, Outcome.FAILED),
        (Outcome.CANT_TELL, Outcome.CANT_TELL),
        (Outcome.UNTESTED, Outcome.UNTESTED),
        (Outcome.INAPPLICABLE, Outcome.UNTESTED),
    ],
)
def test_the_verifier_decides(
    tmp_path: Path, kind: EvidenceKind, outcome: Outcome, expected: Outcome
) -> None:
    directory = planned(tmp_path, [KINDS[kind]])
    artifact(directory, KINDS[kind])
    made = strategy(directory, believing(KINDS[kind], outcome=outcome))
    assert made.outcome is expected
    word = f"{kind.value}.not_passed:{layout.FAMILY_ARTIFACTS[KINDS[kind]]}"
    assert codes(made) == ([] if outcome is Outcome.PASSED else [word])


def test_present_evidence_counts_even_if_nobody_asked(tmp_path: Path) -> None:
    directory = planned(tmp_path, ())
    artifact(directory, Family.REPLAY)
    assert strategy(directory, believing(Family.REPLAY, outcome=Outcome.FAILED)).outcome is Outcome.FAILED


def test_a_red_matrix_is_red_and_says_which_cell(tmp_path: Path) -> None:
    directory = planned(tmp_path, ())
    directory.write(cell(read_plan(directory).plan, SMALL[0], (row_judgement(lost=1),), minutes=20))
    report(directory)
    for made in (strategy(directory), evidence(directory)):
        assert made.outcome is Outcome.FAILED
        assert SMALL[0].key.cell_id in made.blockers[0].message
        assert "--scenario" in made.blockers[0].next_step


def test_a_run_registry_is_as_good_as_the_report_that_names_its_digest(tmp_path: Path) -> None:
    directory = planned(tmp_path, [Family.OPENLINEAGE])
    (directory.path / layout.RUN_REGISTRY).write_text("{}\n")
    digest = "sha256:ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"
    registry = layout.schema_name(layout.RUN_REGISTRY)
    verifiers = believing(Family.OPENLINEAGE).without({registry})
    artifact(directory, Family.OPENLINEAGE, registry=digest)
    made = evidence(directory, verifiers)
    item = next(item for item in made.items if item.name == "run_registry")
    assert (item.sha256, item.outcome) == (digest, Outcome.PASSED)
    artifact(directory, Family.OPENLINEAGE)
    assert "run_registry.not_verified:run_registry.json" in codes(evidence(directory, verifiers))


# --- the verifiers ---------------------------------------------------------------------------------

BUNDLES = ("strategy_certification_bundle.json", "ops_evidence_bundle.json")


@pytest.mark.parametrize("name", BUNDLES)
def test_an_honest_bundle_is_verified(tmp_path: Path, name: str) -> None:
    directory = planned(tmp_path, ())
    bundles(directory)
    found = judge(directory, name)
    assert (found.outcome, found.problems) == (Outcome.PASSED, ())
    assert (directory.path / name).with_suffix(".md").read_text().startswith("# PASS: ")


def emptied(value: dict[str, Any]) -> None:
    value["evidence_items" if "evidence_items" in value else "items"] = []


def without_matrix(value: dict[str, Any]) -> None:
    key = "evidence_items" if "evidence_items" in value else "items"
    value[key] = [item for item in value[key] if item["path"] != "certification_report.json"]


def another_digest(value: dict[str, Any]) -> None:
    items = value.get("evidence_items") or value["items"]
    next(item for item in items if item["present"])["sha256"] = "sha256:" + "0" * 64


def never_required(value: dict[str, Any]) -> None:
    for item in value.get("evidence_items") or value["items"]:
        item["required"] = False


@pytest.mark.parametrize("edit", [emptied, without_matrix, another_digest, never_required])
@pytest.mark.parametrize("name", BUNDLES)
def test_an_edited_bundle_is_found(tmp_path: Path, name: str, edit: Any) -> None:
    directory = planned(tmp_path, ())
    bundles(directory)
    value = json.loads((directory.path / name).read_text())
    edit(value)
    write_json(directory.path / name, value, resealed=True)
    assert judge(directory, name).problems
    write_json(directory.path / name, value)
    with pytest.raises(EvidenceError, match="content_digest"):
        judge(directory, name)


@pytest.mark.parametrize("name", BUNDLES)
def test_an_item_changed_or_swapped_after_it_was_bundled_is_found(tmp_path: Path, name: str) -> None:
    directory = planned(tmp_path / "a", ())
    bundles(directory)
    report(directory, minutes=60.2)
    assert any("certification_report" in p or "sha256" in p for p in judge(directory, name).problems)
    report(directory)
    assert judge(directory, name).problems == ()
    other = planned(tmp_path / "b", (), reported=False)
    other.write(cell(read_plan(other).plan, SMALL[0], (row_judgement(lost=1),), minutes=20))
    report(other)
    directory.report_path.write_bytes(other.report_path.read_bytes())
    found = judge(directory, name)
    assert found.outcome is Outcome.FAILED
    assert found.problems


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("minutes", [-1, 90])
def test_a_bundle_of_another_time_is_found(tmp_path: Path, name: str, minutes: float) -> None:
    directory = planned(tmp_path, ())
    bundles(directory, minutes)
    assert judge(directory, name).problems


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_of_another_release_is_refused(tmp_path: Path, name: str) -> None:
    directory = planned(tmp_path, ())
    bundles(directory)
    value = json.loads((directory.path / name).read_text()) | {"release_id": "other"}
    write_json(directory.path / name, value, resealed=True)
    with pytest.raises(EvidenceError, match="release_id"):
        judge(directory, name)


def test_the_suite_says_what_a_bundle_says(tmp_path: Path) -> None:
    directory = planned(tmp_path, [Family.REPLAY])
    bundles(directory)
    judged = suite(directory)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["strategy_certification_bundle.not_passed", "evidence_bundle.not_passed"]
    assert "replay.missing:replay_evidence.json" in judged.blockers[0].message
    assert "--family replay" in judged.blockers[0].next_step
    artifact(directory, Family.REPLAY)
    verifiers = believing(Family.REPLAY)
    sealed = read_plan(directory)
    write_strategy(directory, sealed, provenance(60.5), verifiers, BundleRequest(docs=()))
    made = evidence_bundle(directory, sealed, provenance(60.5), verifiers=verifiers)
    directory.write(made, markdown(made))
    assert suite(directory, verifiers=verifiers).passed
    assert codes(
        suite(
            directory,
            verifiers=verifiers.having(
                {
                    layout.schema_name("replay_evidence.json"): finding(
                        Outcome.PASSED, "an event is missing"
                    ),
                }
            ),
        )
    ) == [
        "strategy_certification_bundle.not_verified",
        "strategy_certification_bundle.not_passed",
        "evidence_bundle.not_verified",
        "evidence_bundle.not_passed",
    ]


def test_within_one_decision_each_file_is_verified_once(tmp_path: Path) -> None:
    directory = planned(tmp_path, [Family.REPLAY])
    artifact(directory, Family.REPLAY)
    asked: list[str] = []

    def count(directory: SubjectDir, file: EvidenceFile, *_: Any) -> Verification:
        asked.append(file.path)
        return Verification(Outcome.PASSED, directory.release_id)

    schema = layout.schema_name("replay_evidence.json")
    verifiers = VERIFIERS.having({schema: count}).remembering()
    for _ in range(2):
        strategy(directory, verifiers)
        evidence(directory, verifiers)
    assert asked == ["replay_evidence.json"]
    artifact(directory, Family.REPLAY, more=1)
    strategy(directory, verifiers)
    assert len(asked) == 2, "other bytes are another question"
    strategy(directory, VERIFIERS.having({schema: count}).remembering())
    assert len(asked) == 3, "another decision begins anew"


def test_what_is_remembered_is_told_for_the_time_of_each_decision(tmp_path: Path) -> None:
    directory = planned(tmp_path, ())
    bundles(directory)
    name = "strategy_certification_bundle.json"
    made = directory.read(name, StrategyCertificationBundle)
    file, sealed = EvidenceFile(name, directory.read_bytes(name)), read_plan(directory)
    verify = VERIFIERS.remembering()[layout.schema_name(name)]
    of_then = provenance(61).model_copy(update={"created_at": made.created_at})
    before = of_then.model_copy(update={"created_at": made.created_at - timedelta(microseconds=1)})
    for decided, problems in ((of_then, 0), (before, 1), (of_then, 0)):
        found = verify(directory, file, sealed, decided)
        assert len(found.problems) == problems
        assert all("made after this decision" in problem for problem in found.problems)


# --- docs links ------------------------------------------------------------------------------------


def test_a_page_is_copied_beside_the_evidence_and_checked_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = planned(tmp_path, ())
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/mine.md").write_text("# Mine\n")
    monkeypatch.chdir(tmp_path)
    bundles(directory, docs=("pages/mine.md", "pages/not-there.md"))
    made = directory.read(BUNDLES[0], StrategyCertificationBundle)
    assert codes(made) == ["docs.missing:pages/not-there.md"]
    assert made.outcome is Outcome.FAILED
    bundles(directory, docs=("pages/mine.md",))
    monkeypatch.chdir("/")
    (tmp_path / "pages/mine.md").unlink()
    assert judge(directory, BUNDLES[0]).problems == (), "from anywhere, and when the page has moved on"
    assert asked_before(directory, read_plan(directory)).docs == ("pages/mine.md",)
    (directory.path / "docs_links/pages/mine.md").write_text("# Yours\n")
    assert judge(directory, BUNDLES[0]).problems


@pytest.mark.parametrize(
    "link", ["../x.md", "/etc/passwd", "https://example.org/x.md", "docs/x.json", "a//b.md", "docs", ""]
)
def test_what_can_name_no_page_is_refused(tmp_path: Path, link: str) -> None:
    with pytest.raises(EvidenceError, match="--docs-link"):
        bundles(planned(tmp_path, ()), docs=(link,))


def test_pages_that_are_not_here_are_left_out_and_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certification_pipeline.gates.docs_links._CHECKOUT", tmp_path)
    assert default_links([Family.REPLAY]) == ((), ("docs/release-gate.md", "docs/replay.md"))
    directory = planned(tmp_path / "e", ())
    bundles(directory, docs=None)
    made = directory.read(BUNDLES[0], StrategyCertificationBundle)
    assert made.passed
    assert (made.docs_links, made.docs_left_out) == ((), ("docs/release-gate.md",))
    assert "pages that are not here" in (directory.path / BUNDLES[0]).with_suffix(".md").read_text()
