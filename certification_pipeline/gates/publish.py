"""What deployments and badges read: the newest green release of each engine."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import render, seal
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.gates.benchmark_pin import pin_if_measured
from certification_pipeline.gates.release_summary import verify_release_summary

WHOLE = "Run the whole certification: `certify run`, or materialize all"


def of_a_part(plan: CertificationPlan, families: Collection[Family] = ()) -> tuple[str, str] | None:
    """(field of the plan, what it leaves out), of a release that is not about the whole engine."""
    not_enough = "a release of a part is not enough to go out on"
    if absent := sorted(set(families) - set(plan.families)):
        return "families", f"leaves out {', '.join(absent)}: {not_enough}"
    chosen = plan.selection
    if patterns := (*chosen.routes, *chosen.strategies, *chosen.scenarios):
        return "selection", f"leaves out all cells but those of {', '.join(patterns)}: {not_enough}"
    return None


def publish(
    store: EvidenceStore,
    directory: SubjectDir,
    run_id: str,
    *,
    require: Collection[ItemName] = (),
    families: Collection[Family] = (),
) -> Path:
    """Write ``<root>/published/<engine>.json`` if the release is green *now*, verified from disk.

    ``families`` must all be sealed in its plan, and every cell: a release of a part may be green and still
    not do.
    Raises ``EvidenceError`` when it is not; what was published before then stays.
    """
    now = verify_release_summary(directory, stamp(run_id), require=require)
    if now.outcome is not Outcome.PASSED:
        first = now.blockers[0] if now.blockers else None
        raise EvidenceError(
            str(directory.summary_path),
            None,
            f"is not green: {now.outcome}" + (f", {first.message}" if first else ""),
            first.next_step if first else "Run it again: `certify run`",
        )
    if less := of_a_part(directory.read(directory.plan_path, CertificationPlan), families):
        raise EvidenceError(str(directory.plan_path), *less, WHOLE)
    path = store.root / layout.PUBLISHED / f"{directory.engine}.json"
    # What is published is what the next release must not fall behind. Pinned first: green or not at all.
    pin_if_measured(store, directory, run_id)
    write_atomically(path, seal(render(now, str(path)))[0])
    return path
