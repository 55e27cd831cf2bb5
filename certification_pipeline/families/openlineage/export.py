"""Makes ``run_registry``, ``openlineage_events`` and ``openlineage_report`` from a release's cells.

Needs no service and no engine: what the loads did is in the cells' evidence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.files import resolve_inside, write_atomically
from certification_pipeline.evidence.lineage_report import openlineage_report, scope_of
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.run_registry import run_registry
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.work import Work
from certification_pipeline.harness.events import FamilyStep

if TYPE_CHECKING:
    from certification_pipeline.families.openlineage.emission import Receiver


def produce(work: Work) -> OpenLineageReport:
    """The family's producer; see ``families.work``."""
    report = export_lineage(work.directory, work.plan, work.run_id)
    text = f"{report.event_count} events of {report.run_count} loads"
    work.shop.on_event(FamilyStep(work.engine, Family.OPENLINEAGE, text))
    return report


def export_lineage(
    directory: SubjectDir,
    plan: CertificationPlan,
    run_id: str,
    *,
    scenarios: Sequence[str] = (),
    receiver: Receiver | None = None,
) -> OpenLineageReport:
    """Write registry, events and report, and have a receiver take the events when there is one.

    The loads of the seeds' own cells are exported, and those of ``scenarios`` (fnmatch patterns). Raises
    ``EvidenceError`` when evidence cannot be read or written, ``EmissionError`` when the receiver does not
    take an event; the files are whole by then.
    """
    # OpenLineage's client takes a third of a second to import, and every command imports this module.
    from certification_pipeline.families.openlineage.events import load_events  # noqa: PLC0415

    found = tuple(directory.scan(plan))
    registry = run_registry(plan, found, stamp(run_id))
    directory.write(registry, markdown(registry))
    loads = scope_of(plan, found, scenarios).loads
    lines = [line for load in loads for line in load_events(plan, load)]
    data = "".join(f"{line}\n" for line in lines).encode()
    write_atomically(resolve_inside(directory.path, layout.OPENLINEAGE_EVENTS), data)
    report = openlineage_report(directory, plan, stamp(run_id), scenarios=scenarios)
    report = directory.write(report, markdown(report))
    if receiver is None:
        return report
    emission = receiver.emit([json.loads(line) for line in lines])
    emitted = report.model_copy(update={"emission": emission})
    return directory.write(emitted, markdown(emitted))
