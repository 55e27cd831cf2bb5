"""A calibration as tables: what became of each defect, what each scenario killed, and all of it in a line."""

from __future__ import annotations

import pandas as pd

from certification_pipeline.evidence.calibration import Calibration


def fates(made: Calibration) -> list[dict[str, str]]:
    """One row a defect, those that are not killed first; ``(?)`` marks a cell that said nothing."""
    return [
        {
            "defect": line.id,
            "fate": line.fate,
            "killed by": ", ".join(line.killed_by),
            "not seen by": ", ".join((*line.passed_by, *(f"{cell} (?)" for cell in line.undecided))),
        }
        for line in sorted(made.defects, key=lambda line: line.fate == "killed")
    ]


def fates_frame(made: Calibration) -> pd.DataFrame:
    """:func:`fates` as a table."""
    return pd.DataFrame(fates(made), columns=["defect", "fate", "killed by", "not seen by"])


def scenario_kills(made: Calibration) -> pd.DataFrame:
    """One row a scenario, with how many defects it killed."""
    rows = [(line.id, line.kills, ", ".join(line.defects)) for line in made.kills]
    return pd.DataFrame(rows, columns=["scenario", "kills", "defects"])


def in_a_line(made: Calibration) -> str:
    """The score, idle scenarios, and what the clean engine's runs say about false alarms."""
    idle = sum(not line.kills for line in made.kills)
    clean = made.clean
    bound = f", at most {clean.upper_bound:.2%} of runs at 95 %" if clean.upper_bound is not None else ""
    return (
        f"{made.killed} of {made.planted} defects killed ({made.score:.1%}); {idle} scenarios kill none; "
        f"{clean.alarms} false alarms in {clean.runs} runs of the clean engine{bound}"
        + (f"; flaky: {', '.join(clean.flaky)}" if clean.flaky else "")
    )
