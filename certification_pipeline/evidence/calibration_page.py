"""The Markdown page of a calibration: the score, then each defect and each scenario."""

from __future__ import annotations

from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.page import headline, page, short, table


def calibration(made: Calibration) -> str:
    """As Markdown."""
    does = {defect.id: defect.does for defect in made.plan}
    clean = made.clean
    facts = (
        ("mutation score", f"{made.killed} of {made.planted} defects killed"),
        ("clean engine", f"{clean.alarms} false alarms in {clean.runs} runs of {len(clean.cells)} cells"),
        (
            "false alarms, at most",
            f"{clean.upper_bound:.2%} of runs (95 %)" if clean.upper_bound else "unknown",
        ),
        ("flaky", ", ".join(clean.flaky) or "none"),
        ("bench", f"scope {short(made.basis.scope)}, harness {short(made.basis.harness)}"),
    )
    rows = [
        (
            line.id,
            does[line.id],
            line.fate,
            ", ".join(line.killed_by),
            ", ".join((*line.passed_by, *line.undecided)),
        )
        for line in made.defects
    ]
    elsewhere = [
        (defect.id, defect.does, defect.family, defect.proof) for defect in made.plan if defect.family
    ]
    return page(
        headline(made),
        made,
        facts,
        "## Defects",
        table(("defect", "does", "fate", "killed by", "not seen by"), rows),
        "## Scenarios",
        table(("scenario", "kills", "defects"), [(k.id, k.kills, ", ".join(k.defects)) for k in made.kills]),
        "## Seen by other families",
        table(("defect", "does", "family", "test"), elsewhere),
    )
