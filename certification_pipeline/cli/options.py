"""Options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a command answers: tables for people, or JSON alone on standard output."""

    TABLE = "table"
    JSON = "json"


Formatted = Annotated[Format, typer.Option("--format", help="Tables for people, or JSON.")]
EvidenceDir = Annotated[
    Path | None,
    typer.Option(
        "--evidence-dir",
        metavar="DIR",
        envvar="CERTIFY_EVIDENCE_DIR",
        help="Where evidence lies. [.certification]",
    ),
]
ReleaseId = Annotated[
    str | None, typer.Option("--release-id", metavar="ID", help="Which release. [the latest]")
]
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Only this engine, 'all', or another version of one: 'dlt==1.30.0'; repeatable.",
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="KEY|FILE",
        help="A public key that must have signed, itself or its file; repeatable: one of them.",
    ),
]
Anchor = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        metavar="HASH|FILE|git:REPOSITORY#TAG",
        help="What was kept elsewhere of this chain: finds a tail cut off, entries written anew.",
    ),
]
Routes = Annotated[
    list[str] | None,
    typer.Option("--route", metavar="GLOB", help="Only these routes, e.g. 'postgres_to_*'; repeatable."),
]
Families = Annotated[
    list[str] | None,
    typer.Option(
        "--family",
        metavar="GLOB",
        help="Only these evidence families beside the cells ('matrix': none of them); repeatable.",
    ),
]
Strategies = Annotated[
    list[str] | None, typer.Option("--strategy", metavar="GLOB", help="Only these strategies; repeatable.")
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="GLOB", help="Only these scenarios, e.g. 'schema.*'; repeatable."),
]
Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Which systems and engines. [embedded]")
]
Rows = Annotated[
    int | None, typer.Option("--rows", metavar="N", help="Rows of a default table. [the profile's]")
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="N", help="Same seed, same rows. [1]")]
RequireBenchmark = Annotated[
    bool, typer.Option("--require-benchmark", help="Red without a benchmark baseline.")
]
RequireLineage = Annotated[bool, typer.Option("--require-lineage", help="Red without an OpenLineage report.")]
RequireDbtLineage = Annotated[bool, typer.Option("--require-dbt-lineage", help="Red without dbt lineage.")]
RequireStrategy = Annotated[
    bool, typer.Option("--require-strategy-certification", help="Red without a strategy bundle.")
]
RequireEvidence = Annotated[bool, typer.Option("--require-evidence", help="Red without an evidence bundle.")]
Workers = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Cells side by side. [cores + 1, at most 8]")
]
