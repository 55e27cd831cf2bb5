"""The suite gate (seed 003): every item that is required or present must be verified and passed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker, Digest
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.next_step import rerun_release
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import (
    CertificationSuite,
    CertificationSuiteIndex,
    ItemName,
    SuiteEntry,
)
from certification_pipeline.gates.collector import collector_paused
from certification_pipeline.gates.families import FAMILIES, VERIFIERS, required_by
from certification_pipeline.gates.suite_item import Evaluated, ItemGate
from certification_pipeline.gates.verification import (
    SealedPlan,
    Verifier,
    provenance_of,
    read_plan,
    unknown_subject,
)
from certification_pipeline.gates.verifiers import remembering


def certification_suite(
    directory: SubjectDir,
    provenance: Provenance,
    *,
    suite_id: str,
    require: Collection[ItemName] = (),
    paths: Mapping[ItemName, str] | None = None,
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> CertificationSuite:
    """Evaluate what lies in ``directory``; reads only.

    The certification report is always required, what the sealed plan's families call for, and what was
    asked for when it was sealed; ``require`` adds others (the seeds' ``--require-*``).
    ``paths`` names artifacts that do not lie where the family puts them, relative to the directory; one
    that is named must be there.
    """
    paths = paths or {}
    verifiers = remembering(verifiers)
    with collector_paused():
        sealed, no_plan = _plan(directory)
        planned = sealed.plan.families if sealed else ()
        asked = sealed.plan.required if sealed else ()
        must = {ItemName.CERTIFICATION_REPORT, *require, *paths, *required_by(planned), *asked}
        gate = ItemGate(directory, sealed, provenance, verifiers)
        evaluated = [
            gate.evaluate(name, paths.get(name, family.path), required=name in must)
            for name, family in FAMILIES.items()
        ]
    blockers = [*no_plan, *_about_the_plan(evaluated), *(b for each in evaluated for b in each.blockers)]
    report = evaluated[0].item
    cases = report.summary.get("cases", 0)
    subject = sealed.plan.subject if sealed else unknown_subject(directory)
    profile = sealed.plan.profile if sealed else "unknown"
    return CertificationSuite(
        **provenance.header(CertificationSuite, directory.release_id, subject, profile),
        **verdict(Outcome.worst(_contributions(evaluated)), blockers),
        suite_id=suite_id,
        case_count=cases if isinstance(cases, int) else 0,
        evidence_count=sum(not each.item.missing for each in evaluated),
        items=tuple(each.item for each in evaluated),
    )


def evaluated_again(
    directory: SubjectDir, suite: CertificationSuite, verifiers: Mapping[str, Verifier] = VERIFIERS
) -> CertificationSuite:
    """The suite as it must be, as of its own time and with what it required; reads only."""
    return certification_suite(
        directory,
        provenance_of(suite),
        suite_id=suite.suite_id,
        require={item.name for item in suite.items if item.required},
        paths={item.name: item.path for item in suite.items if item.required},
        verifiers=verifiers,
    )


def suite_index(
    previous: CertificationSuiteIndex | None,
    suite: CertificationSuite,
    suite_sha256: Digest,
    provenance: Provenance,
    damage: str | None = None,
) -> CertificationSuiteIndex:
    """``previous`` with this evaluation added; the same evaluation again replaces itself.

    ``damage`` says why an earlier index could not be read: its history is gone, and that is on record.
    """
    entry = SuiteEntry(
        suite_id=suite.suite_id,
        run_id=suite.run_id,
        created_at=suite.created_at,
        outcome=suite.outcome,
        passed=suite.passed,
        sha256=suite_sha256,
        blockers=tuple(blocker.code for blocker in suite.blockers),
        schema_version=suite.schema_version,
        release_id=suite.release_id,
        case_count=suite.case_count,
        evidence_count=suite.evidence_count,
        evidence_status=suite.evidence_status,
        items=suite.items,
        output_dir=suite.output_dir,
    )
    earlier = previous.suites if previous else ()
    this = (entry.suite_id, entry.run_id, entry.created_at)
    entries = (*(e for e in earlier if (e.suite_id, e.run_id, e.created_at) != this), entry)
    lost = (
        [Blocker(code="certification_suite_index.not_verified", message=damage, next_step=_KEEP)]
        if damage
        else []
    )
    return CertificationSuiteIndex(
        **provenance.header(CertificationSuiteIndex, suite.release_id, suite.subject, suite.profile),
        **verdict(suite.outcome, [*lost, *suite.blockers]),
        suite_count=len(entries),
        suites=entries,
    )


_KEEP = "Restore certification_suite_index.json from a backup, if its history matters"


def _plan(directory: SubjectDir) -> tuple[SealedPlan | None, list[Blocker]]:
    try:
        sealed = read_plan(directory)
    except EvidenceError as error:
        word = "missing" if error.kind is ProblemKind.MISSING else "not_verified"
        again = rerun_release(directory.engine, directory.release_id)
        code = f"certification_automation_plan.{word}"
        return None, [Blocker(code=code, message=str(error), next_step=again)]
    return sealed, []


def _about_the_plan(evaluated: list[Evaluated]) -> Iterator[Blocker]:
    """What recomputing the report found wrong with the plan: the first thing a reader must hear."""
    for each in evaluated:
        yield from (b for b in each.because if b.code.startswith("certification_automation_plan."))


def _contributions(evaluated: list[Evaluated]) -> Iterator[Outcome]:
    for item in (each.item for each in evaluated):
        if item.missing:
            if item.required:
                yield Outcome.FAILED
        elif item.outcome is Outcome.INAPPLICABLE:
            yield Outcome.UNTESTED  # present, so it was to prove something
        else:
            yield item.outcome
