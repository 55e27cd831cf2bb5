"""Red cells and the findings that explain them, the unexplained ones first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import unversioned
from certification_pipeline.catalog.findings import Finding, load_findings
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.gates.findings import explanation
from certification_pipeline.report.release import CellLine, ReleaseView
from certification_pipeline.report.tables import why
from certification_pipeline.report.tally import SYMBOL

UNEXPLAINED = "unexplained"


def explained(cells: Mapping[str, CellEvidence]) -> dict[str, tuple[Finding, ...]]:
    """Findings by cell id, of the failed cells that are explained whole.

    Findings that cannot be read explain nothing here; ``certify findings`` says what is wrong with them.
    """
    try:
        catalog = load_catalog()
        findings = load_findings(catalog)
    except CatalogError:
        return {}
    return explained_by(cells, catalog, findings)


def explained_by(
    cells: Mapping[str, CellEvidence], catalog: Catalog, findings: Iterable[Finding]
) -> dict[str, tuple[Finding, ...]]:
    """As :func:`explained`, with that catalogue and those findings."""
    known = tuple(findings)
    made: dict[str, tuple[Finding, ...]] = {}
    for cell_id, cell in cells.items():
        if cell.recompute() is not Outcome.FAILED or unversioned(cell.key.engine) not in catalog.engines:
            continue
        if found := explanation(cell, catalog.engine(cell.key.engine), known):
            made[cell_id] = found
    return made


def red_lines(release: ReleaseView) -> list[CellLine]:
    """Every failed cell of the release, the unexplained ones first."""
    red = [line for subject in release.subjects for line in subject.failed]
    return sorted(red, key=lambda line: bool(line.findings))


def findings_table(lines: Iterable[CellLine]) -> pd.DataFrame:
    """One row a red cell: the findings that explain it, what is seen, and where to read about it."""
    rows = [
        {
            "": f"{SYMBOL[Outcome.FAILED]} {UNEXPLAINED}" if not line.findings else "known",
            "finding": finding_ids(line),
            "engine": line.key.engine,
            "cell": f"{line.key.route_id}/{line.key.strategy.value}/{line.key.scenario}",
            "seen": why(line),
            "read": ", ".join(dict.fromkeys(finding.document for finding in line.findings)),
        }
        for line in lines
    ]
    return pd.DataFrame(rows, columns=["", "finding", "engine", "cell", "seen", "read"])


def known_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """One row a finding that is written down."""
    rows = [
        {
            "finding": finding.id,
            "engine": finding.engine,
            "seen in": finding.versions,
            "cause": finding.cause.replace("_", " "),
            "what": finding.title,
            "cells": len(finding.cells),
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=["finding", "engine", "seen in", "cause", "what", "cells"])


def finding_ids(line: CellLine) -> str:
    """``dlt-04, dlt-08``; empty for a cell that is not explained."""
    return ", ".join(finding.id for finding in line.findings)
