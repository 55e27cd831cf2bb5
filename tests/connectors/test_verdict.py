"""Every way a report can look green without being it: each is a test here that ends otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.checklist import ChecklistItem, TestMarker
from certification_pipeline.catalog.vocabulary import Family, Outcome, Support
from certification_pipeline.evidence.canonical import render, seal
from certification_pipeline.evidence.connector_verdict import Judged
from certification_pipeline.evidence.connectors import JUNIT, ConnectorCertification
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.earlier import keep_failure
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.junit import parse_junit
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import EvidenceFile, Verification, read_plan
from tests.connectors.junit import ASKED, ERROR, FAILURE, SKIPPED, XFAILED, Case, cases, report
from tests.connectors.writing import AGAIN, judged, write
from tests.evidence.builders import SMALL, provenance, release

DOCUMENTATION = ChecklistItem.DOCUMENTATION_PAGE


@pytest.fixture
def made(tmp_path: Path) -> tuple[SubjectDir, CertificationPlan]:
    """A release whose plan claims PostgreSQL and DuckDB, and a ClickHouse nobody can reach."""
    claimed = tuple(each.model_copy(update={"support": Support.FULL}) for each in SMALL)
    return release(tmp_path, claimed)


def changed(where: Callable[[Case], bool], change: Callable[[Case], Case | None]) -> list[Case]:
    """The green cases, with those that match changed or (``None``) left out."""
    listed = [change(case) if where(case) else case for case in cases(systems())]
    assert listed != list(cases(systems()))
    return [case for case in listed if case is not None]


def systems() -> tuple[str, ...]:
    claimed = {
        system for each in SMALL if each.disposition == "run" for system in (each.key.source, each.key.sink)
    }
    return tuple(sorted(f"{SMALL[0].key.engine}/{system}" for system in claimed))


def first(case: Case) -> bool:
    return (case.connector, case.item) == (systems()[0], DOCUMENTATION.value)


def codes(result: Judged) -> list[str]:
    return [blocker.code for blocker in result.blockers]


def test_a_whole_green_report_passes_and_says_what_was_not_tested(
    made: tuple[SubjectDir, CertificationPlan],
) -> None:
    result = judged(made[1], report(cases(systems())))
    assert result.outcome is Outcome.PASSED
    assert not result.blockers
    assert not result.missing_required
    untested = [connector for connector in result.scope if connector.reason]
    assert [connector.system for connector in untested] == ["clickhouse"]
    row = result.connectors[systems()[0]]
    assert row[ChecklistItem.CHANGELOG_ENTRY].status is Outcome.INAPPLICABLE
    assert row[ChecklistItem.LIVE_TESTS].status is Outcome.UNTESTED
    assert not row[ChecklistItem.LIVE_TESTS].required
    assert "certify connectors --live" in (row[ChecklistItem.LIVE_TESTS].remedy or "")


@pytest.mark.parametrize(
    "item", [item.value for item in ChecklistItem if item is not ChecklistItem.LIVE_TESTS]
)
def test_one_failed_test_is_red_for_its_own_connector_and_item_only(
    made: tuple[SubjectDir, CertificationPlan], item: str
) -> None:
    mine = systems()[0]
    listed = changed(
        lambda case: (case.connector, case.item) == (mine, item), lambda case: replace(case, body=FAILURE)
    )
    result = judged(made[1], report(listed), code=1)
    assert result.outcome is Outcome.FAILED
    assert codes(result) == [f"connector.{mine}.{item}.not_passed"]
    assert result.blockers[0].message == "rows were lost"
    assert result.blockers[0].next_step == AGAIN
    assert result.missing_required == (f"{mine}.{item}",)


DEFECTS: Sequence[tuple[str, Callable[[Case], Case | None], str, Outcome]] = (
    ("no test", lambda case: None, "missing", Outcome.UNTESTED),
    ("skipped", lambda case: replace(case, body=SKIPPED), "untested", Outcome.UNTESTED),
    ("setup broke", lambda case: replace(case, body=ERROR), "not_passed", Outcome.CANT_TELL),
    ("xfail", lambda case: replace(case, body=XFAILED), "not_passed", Outcome.FAILED),
    ("xpass", lambda case: replace(case, properties={"xfail": "true"}), "not_passed", Outcome.FAILED),
    (
        "claims to be inapplicable",
        lambda case: replace(case, body=SKIPPED, properties={"status": "inapplicable"}),
        "untested",
        Outcome.UNTESTED,
    ),
)


@pytest.mark.parametrize(("what", "change", "word", "outcome"), DEFECTS, ids=[each[0] for each in DEFECTS])
def test_what_proves_nothing_is_no_pass(
    made: tuple[SubjectDir, CertificationPlan],
    what: str,
    change: Callable[[Case], Case | None],
    word: str,
    outcome: Outcome,
) -> None:
    result = judged(made[1], report(changed(first, change)), code=1 if what == "setup broke" else 0)
    assert result.outcome is outcome, what
    assert codes(result) == [f"connector.{systems()[0]}.documentation_page.{word}"]


def test_a_test_of_another_marker_does_not_stand_in(made: tuple[SubjectDir, CertificationPlan]) -> None:
    """A manifest that parses has not been run."""
    listed = changed(
        lambda c: (c.connector, c.item, c.marker) == (systems()[0], "example_manifest", "integration"),
        lambda c: replace(c, marker="unit"),
    )
    assert codes(judged(made[1], report(listed))) == [f"connector.{systems()[0]}.example_manifest.missing"]


@pytest.mark.parametrize("field", ["connector", "item"])
def test_a_test_that_says_of_nobody_is_red(made: tuple[SubjectDir, CertificationPlan], field: str) -> None:
    listed = [*cases(systems()), replace(next(cases(systems())), **{field: "somebody/else"})]
    assert codes(judged(made[1], report(listed))) == ["connector_certification.tests.not_attributed"]


def test_a_changed_level_cannot_be_called_unchanged(made: tuple[SubjectDir, CertificationPlan]) -> None:
    listed = changed(
        lambda c: (c.connector, c.item) == (systems()[0], "changelog_entry"),
        lambda c: replace(c, properties={**c.properties, "previous_level": "experimental"}),
    )
    assert codes(judged(made[1], report(listed))) == [f"connector.{systems()[0]}.changelog_entry.untested"]


@pytest.mark.parametrize("code", [1, 2, 5, -9, None])
def test_pytest_and_its_report_must_agree(
    made: tuple[SubjectDir, CertificationPlan], code: int | None
) -> None:
    result = judged(made[1], report(cases(systems())), code=code)
    assert result.outcome is Outcome.CANT_TELL
    assert codes(result) == ["connector_certification.exit_code.not_verified"]


def test_green_code_over_a_red_report_is_red(made: tuple[SubjectDir, CertificationPlan]) -> None:
    listed = changed(first, lambda case: replace(case, body=FAILURE))
    result = judged(made[1], report(listed), code=0)
    assert result.outcome is Outcome.FAILED
    assert "connector_certification.exit_code.not_verified" in codes(result)


def test_nothing_collected_and_all_skipped_are_no_pass(made: tuple[SubjectDir, CertificationPlan]) -> None:
    none = judged(made[1], report([]), code=5)
    assert none.outcome is Outcome.UNTESTED
    assert "connector_certification.tests.missing" in codes(none)
    skipped = judged(made[1], report(replace(case, body=SKIPPED, properties={}) for case in cases(systems())))
    assert skipped.outcome is Outcome.UNTESTED
    assert "connector_certification.tests.untested" in codes(skipped)


def test_a_plan_without_connectors_is_no_pass(made: tuple[SubjectDir, CertificationPlan]) -> None:
    unreachable = tuple(cell for cell in made[1].cells if cell.disposition != "run")
    plan = made[1].model_copy(update={"cells": unreachable})
    result = judged(plan, report([]), code=5)
    assert result.outcome is Outcome.UNTESTED
    assert codes(result) == ["connector_certification.no_connectors"]


def test_a_required_connector_that_cannot_be_reached_is_one_blocker(
    made: tuple[SubjectDir, CertificationPlan],
) -> None:
    cells = tuple(cell.model_copy(update={"required": True}) for cell in made[1].cells)
    plan = made[1].model_copy(update={"cells": cells})
    result = judged(plan, report(cases(systems())))
    assert result.outcome is Outcome.UNTESTED
    assert codes(result) == ["connector.reference/clickhouse.untested"]
    assert "CERTIFY_CLICKHOUSE_DSN" in result.blockers[0].next_step


def test_the_live_profile_demands_live_tests(made: tuple[SubjectDir, CertificationPlan]) -> None:
    live = {"markers": (*ASKED, TestMarker.INTEGRATION_LIVE), "profile": "live"}
    told = {
        "credential_variable": "CERTIFY_POSTGRES_DSN",
        "status": "untested",
        "detail": "CERTIFY_POSTGRES_DSN is not set",
        "remedy": "set CERTIFY_POSTGRES_DSN",
    }
    one = Case(systems()[0], "live_tests", "integration_live", SKIPPED, told)
    other = Case(systems()[1], "live_tests", "integration_live")
    result = judged(made[1], report([*cases(systems()), one, other]), **live)
    assert codes(result) == [f"connector.{systems()[0]}.live_tests.untested"]
    assert result.blockers[0].message == "CERTIFY_POSTGRES_DSN is not set"
    assert result.blockers[0].next_step.startswith("set CERTIFY_POSTGRES_DSN; then: ")
    embedded = replace(one, properties={"credential_variable": "", "status": "inapplicable"})
    assert judged(made[1], report([*cases(systems()), embedded, other]), **live).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not whole XML"),
        (report(cases())[:-40], "not whole XML"),
        (report(cases(), tests=3), "was cut or edited"),
        (report(cases(), skipped=0), "was cut or edited"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "document type or an entity"),
        ("<!DOCTYPE x []><testsuite/>".encode("utf-16"), "not UTF-8"),
        (b"<html/>", "no test suite"),
        (b"<testsuite/>", "does not state how many"),
        (report(cases()).replace(b'name="item"', b'name="connector"'), "two values"),
    ],
)
def test_a_report_that_is_none(data: bytes, said: str) -> None:
    with pytest.raises(EvidenceError, match=said):
        parse_junit(data, JUNIT)


# --- the gate -------------------------------------------------------------------------------------------


def verified(directory: SubjectDir, made: ConnectorCertification | None = None) -> Verification:
    path = directory.path / "connector_certification.json"
    data = seal(render(made.model_copy(update={"content_digest": ""})))[0] if made else path.read_bytes()
    verify = VERIFIERS[ConnectorCertification.schema_name()]
    return verify(directory, EvidenceFile(path.name, data), read_plan(directory), provenance(30))


def test_the_gate_comes_to_the_same(made: tuple[SubjectDir, CertificationPlan]) -> None:
    write(*made, report(cases(systems())))
    found = verified(made[0])
    assert found.outcome is Outcome.PASSED
    assert not found.problems
    assert found.summary["tested"] == len(systems())


def test_an_edited_report_is_found(made: tuple[SubjectDir, CertificationPlan]) -> None:
    write(*made, report(changed(first, lambda case: replace(case, body=FAILURE))), 1)
    (made[0].path / JUNIT).write_bytes(report(cases(systems())))
    assert any("is not the file" in problem for problem in verified(made[0]).problems)
    (made[0].path / JUNIT).unlink()
    found = verified(made[0])
    assert found.problems
    assert found.outcome is Outcome.CANT_TELL


def test_an_edited_flag_is_found(made: tuple[SubjectDir, CertificationPlan]) -> None:
    red = write(*made, report(changed(first, lambda case: replace(case, body=FAILURE))), 1)
    green = verdict(Outcome.PASSED, ())
    found = verified(made[0], red.model_copy(update={**green, "missing_required": ()}))
    assert found.outcome is Outcome.FAILED
    assert any("outcome" in problem for problem in found.problems)


def test_a_connector_left_out_is_found(made: tuple[SubjectDir, CertificationPlan]) -> None:
    kept, lost = systems()
    whole = write(*made, report(cases([kept])))
    assert not whole.passed
    less = whole.model_copy(
        update={
            **verdict(Outcome.PASSED, ()),
            "scope": tuple(each for each in whole.scope if each.name != lost),
            "connectors": {name: row for name, row in whole.connectors.items() if name != lost},
            "missing_required": (),
        }
    )
    found = verified(made[0], less)
    assert found.outcome is Outcome.UNTESTED
    assert found.problems


def test_tests_that_were_not_asked_for_are_missed(made: tuple[SubjectDir, CertificationPlan]) -> None:
    whole = write(*made, report(cases(systems())))
    found = verified(made[0], whole.model_copy(update={"markers": (TestMarker.UNIT,)}))
    assert any("marked integration" in problem for problem in found.problems)


def test_a_pass_after_a_failure_is_flaky_unless_a_document_was_mended(
    made: tuple[SubjectDir, CertificationPlan],
) -> None:
    name = "connector_certification.json"
    red = write(*made, report(changed(first, lambda case: replace(case, body=FAILURE))), 1)
    keep_failure(made[0], name)
    write(*made, report(cases(systems())))
    found = verified(made[0])
    assert found.outcome is Outcome.CANT_TELL
    assert [blocker.code for blocker in found.because] == ["connector_live.flaky"]
    kept = next((made[0].path / "superseded").glob("connector_certification.*"))
    page = {"docs/connectors/reference/duckdb.md": "sha256:" + "1" * 64}
    kept.write_bytes(render(red.model_copy(update={"documents": page})))
    assert verified(made[0]).outcome is Outcome.PASSED


def test_it_is_a_family_of_the_release() -> None:
    from certification_pipeline.evidence.layout import FAMILY_ARTIFACTS
    from certification_pipeline.families.registry import PRODUCERS

    assert FAMILY_ARTIFACTS[Family.CONNECTOR_LIVE] == f"{ConnectorCertification.KIND}.json"
    assert Family.CONNECTOR_LIVE in PRODUCERS
    assert ConnectorCertification.schema_name() in VERIFIERS
