"""What is asked of whoever maintains the pages is told, and decides nothing about the evidence."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.plan import CertificationPlan, Selection
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import decide
from certification_pipeline.gates.levels.writing import verify_levels
from certification_pipeline.gates.verify.judge import Held
from certification_pipeline.gates.verify.result import VerifiedEvidence, VerifiedRelease
from certification_pipeline.report.verification import print_verification
from tests.connectors.junit import cases, report
from tests.connectors.writing import write
from tests.evidence.builders import START, cell, row_judgement
from tests.verify.builders import make_plan, record, verified, write_release

SINK = "reference/sqlite"
BOTH = ("reference/postgres", SINK)
ASKED = {
    "routes": ("postgres_to_sqlite",),
    "scenarios": ("batch.*", "strategy.*", "incr.*", "types.matrix", "ident.funky"),
}
NOW = (utc_now() - START).total_seconds() / 60 - 120
"""Two hours ago: evidence expires."""
PAGES = {f"docs/connectors/{name}.md": "sha256:" + "ab" * 32 for name in BOTH}


def released(root: Path, stated: str, release_id: str = "r1", minutes: float = NOW) -> SubjectDir:
    """A green release, every item of the checklist proven, whose pages state that level.

    Its plan is a part that says it is the whole: whether it leaves anything out is not what is asked here.
    """
    made = make_plan(release_id, minutes=minutes, **ASKED).model_copy(update={"selection": Selection()})
    made = made.model_copy(update={"plan_digest": made.recompute_digest()})
    directory = record(root, made, minutes=minutes)
    plan = directory.read(directory.plan_path, CertificationPlan)
    same = b'name="level" value="beta"/><property name="previous_level" value="beta"'
    said = f'name="level" value="{stated}"/><property name="previous_level" value="{stated}"'
    data = report(cases(BOTH)).replace(same, said.encode())
    write(directory, plan, data, minutes=minutes + 20, documents=PAGES)
    decide(directory, "run-1")
    return directory


def looked(root: Path) -> tuple[VerifiedEvidence, VerifiedRelease, str]:
    """What was found, its one release that counts, and what is on the screen."""
    found = verified(root, planned=lambda *_: Held())
    (one,) = [release for release in found.releases if release.counts]
    console = Console(record=True, width=160, file=StringIO())
    print_verification(console, found)
    return found, one, console.export_text()


def test_a_page_that_states_less_than_is_granted_is_told_and_does_not_stand_in_the_way(
    tmp_path: Path,
) -> None:
    directory = released(tmp_path, "experimental")
    again = verify_levels(EvidenceStore(tmp_path), directory)
    assert again.outcome is Outcome.CANT_TELL  # for those who maintain the pages (certify levels)
    found, one, screen = looked(tmp_path)
    assert (found.verified, one.outcome) == (Outcome.PASSED, Outcome.PASSED)
    assert [demand.code for demand in one.demands] == [
        f"connector.{name}.level_changed.changelog_missing" for name in BOTH
    ]
    assert not one.blockers
    assert "Asked of who maintains reference 0.1.0 in r1" in screen
    assert "write `reference/sqlite: experimental → beta` into CHANGELOG.md" in screen


def test_a_page_that_states_more_is_the_releases_verdict_and_no_edit(tmp_path: Path) -> None:
    released(tmp_path, "production-certified")
    found, one, screen = looked(tmp_path)
    assert (found.verified, one.outcome, found.findings) == (Outcome.PASSED, Outcome.CANT_TELL, ())
    assert {blocker.code for blocker in one.blockers} == {
        f"connector.{name}.level.not_proven" for name in BOTH
    }
    assert screen.startswith("? VERIFIED, AND INCONCLUSIVE")
    assert not one.demands


def test_a_page_that_states_what_was_seen_to_fail_is_red(tmp_path: Path) -> None:
    """The newest release is green, and looked no more at what had failed."""
    first = write_release(
        tmp_path, "r0", routes=("postgres_to_sqlite",), scenarios=("schema.add",), minutes=NOW - 60
    )
    plan = first.read(first.plan_path, CertificationPlan)
    for one in plan.cells:
        if one.disposition == "run":
            first.write(cell(plan, one, (row_judgement(lost=2),), minutes=NOW - 50))
    decide(first, "run-1")
    directory = released(tmp_path, "production-certified")
    assert verify_levels(EvidenceStore(tmp_path), directory).outcome is Outcome.FAILED
    found, release, screen = looked(tmp_path)
    assert (found.verified, release.outcome, found.findings) == (Outcome.PASSED, Outcome.FAILED, ())
    assert "was seen to fail" in screen
    assert "VERIFIED, AND RED" in screen


def test_a_page_that_states_what_is_granted_asks_nothing(tmp_path: Path) -> None:
    """A blocker of another kind would be a finding: nothing is passed over."""
    released(tmp_path, "beta")
    found, one, screen = looked(tmp_path)
    assert (one.outcome, one.demands, one.blockers, found.findings) == (Outcome.PASSED, (), (), ())
    assert "Asked of" not in screen
