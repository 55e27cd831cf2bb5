"""Another tool's claims as a table: what it says, what came of recomputing it, and what stands out."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.claims import ForeignArtifact, ForeignClaim, ForeignReport
from certification_pipeline.report.tally import SYMBOL, WORST_FIRST, Tally
from certification_pipeline.report.visible import visible

COLUMNS = [
    "claims",
    "artifact",
    "kind",
    "says",
    "holds",
    "agree",
    "contradict",
    "not here",
    "unprovable",
    "what stands out",
]
WORDS = {
    Outcome.PASSED: "recomputed and agree",
    Outcome.FAILED: "contradicted",
    Outcome.CANT_TELL: "of files that are not here",
    Outcome.UNTESTED: "that nothing can show",
    Outcome.INAPPLICABLE: "of nothing",
}


def artifacts_frame(report: ForeignReport) -> pd.DataFrame:
    """One line an artifact, the worst first; simulated cases that say the same are one line."""
    ordered = sorted(report.artifacts, key=lambda one: (WORST_FIRST.index(one.outcome), one.kind, one.path))
    rows = [_row(group) for group in _grouped(ordered)]
    return pd.DataFrame(rows, columns=COLUMNS)


def in_one_line(report: ForeignReport) -> str:
    """How many claims there are, and how many of them hold."""
    tally = Tally.of(claim.outcome for artifact in report.artifacts for claim in artifact.claims)
    parts = [f"{count} {WORDS[outcome]}" for outcome, count in tally.counts]
    red = sum(artifact.says == "not passed" for artifact in report.artifacts)
    own = f"; {red} say themselves that they did not pass" if red else ""
    return f"{tally.total} claims of {len(report.artifacts)} artifacts: {', '.join(parts)}{own}"


def contradictions(report: ForeignReport) -> list[str]:
    """Every contradicted claim as a line; names and values come from files of anybody's."""
    return [
        visible(f"{artifact.path}: {claim.claim} says {_value(claim)}: {claim.why}")
        for artifact in report.artifacts
        for claim in artifact.claims
        if claim.outcome is Outcome.FAILED
    ]


def _grouped(artifacts: Iterable[ForeignArtifact]) -> list[list[ForeignArtifact]]:
    groups: dict[object, list[ForeignArtifact]] = {}
    for artifact in artifacts:
        alike = artifact.kind == "behavior" and artifact.outcome is not Outcome.FAILED
        key: object = ("behavior", artifact.outcome, artifact.says) if alike else artifact.path
        groups.setdefault(key, []).append(artifact)
    return list(groups.values())


def _row(group: list[ForeignArtifact]) -> tuple[object, ...]:
    first = group[0]
    counts = Tally.of(claim.outcome for artifact in group for claim in artifact.claims)
    worst = max(first.claims, key=lambda claim: -WORST_FIRST.index(claim.outcome), default=None)
    name = first.path if len(group) == 1 else f"{first.path} and {len(group) - 1} more"
    return (
        SYMBOL[first.outcome],
        visible(name),
        first.kind,
        first.says,
        ", ".join(f"{count} {what}" for what, count in first.counts.items()),
        counts.count(Outcome.PASSED),
        counts.count(Outcome.FAILED),
        counts.count(Outcome.CANT_TELL),
        counts.count(Outcome.UNTESTED),
        visible(f"{worst.claim}: {worst.why}") if worst else "",
    )


def left_out(report: ForeignReport) -> list[str]:
    """What was not looked at, and why, a line each."""
    return [visible(f"{path}: {reason}") for path, reason in report.left_out.items()]


def _value(claim: ForeignClaim) -> str:
    again = "" if claim.recomputed is None else f", recomputed {claim.recomputed}"
    return f"{claim.stated}{again}"
