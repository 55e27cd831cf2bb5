"""What an export is made of: one subject's release, every outcome recomputed by the gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.cell import Attempt
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.evidence.summary import ReleaseSummary

GATE = "release gate"
"""The suite that holds the decision itself: readers of cells alone would call a red release green."""


@dataclass(frozen=True)
class ExportedSubject:
    """One engine version in one release."""

    report: CertificationReport
    summary: ReleaseSummary
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)
    """Earlier attempts of a cell, oldest first, by cell id; cells without any may be left out."""

    @property
    def name(self) -> str:
        """``dlt 1.31.0``."""
        return f"{self.report.subject.engine} {self.report.subject.version}"

    def by_route(self) -> Iterator[tuple[str, tuple[ReportRow, ...]]]:
        """Every route with its cells, in the order of the plan."""
        routes: dict[str, list[ReportRow]] = {}
        for row in self.report.results:
            routes.setdefault(row.key.route_id, []).append(row)
        yield from ((route, tuple(rows)) for route, rows in routes.items())


@dataclass(frozen=True)
class GateCheck:
    """One thing the release rests on, or the decision over all of them."""

    name: str
    outcome: Outcome
    message: str
    facts: Mapping[str, str]


def gate_checks(subject: ExportedSubject) -> Iterator[GateCheck]:
    """The decision, then each item under it that is required or there."""
    summary = subject.summary
    yield GateCheck(
        "release_summary",
        summary.outcome,
        "; ".join(f"{blocker.code}: {blocker.message} ({blocker.next_step})" for blocker in summary.blockers),
        {"path": layout.RELEASE_SUMMARY, "decided_at": summary.created_at.isoformat()},
    )
    for item in summary.items:
        if item.required or not item.missing:
            said = [b for b in summary.blockers if b.code.partition(".")[0] == item.name.value]
            yield GateCheck(
                item.name.value,
                item.outcome,
                "; ".join(blocker.message for blocker in said),
                {"path": item.path, "sha256": item.sha256 or "none"},
            )


def reason_of(row: ReportRow) -> str:
    """Why a cell has no pass, in a sentence."""
    if row.problems:
        return "not verified: " + "; ".join(row.problems)
    parts = [part for part in (row.reason.value if row.reason else None, row.detail, row.remedy) if part]
    return ": ".join(parts) or f"outcome {row.outcome.value}, no detail was recorded"


def facts_of(row: ReportRow) -> dict[str, str]:
    """What identifies the evidence of a cell."""
    facts = {
        "outcome": row.outcome.value,
        "required": "yes" if row.required else "no",
        "verified": "yes" if row.verified else "no",
        "scenario_version": str(row.scenario_version),
        "sha256": row.sha256 or "none",
        "path": row.artifact_path or "none",
    }
    if row.fidelity is not None:
        facts["fidelity"] = row.fidelity.value
    return facts
