"""``certify suite`` and ``certify release-summary``: decide again from the files there are (seed 003)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.evidence.decision import Decision
    from certification_pipeline.evidence.subject_dir import SubjectDir
    from certification_pipeline.evidence.suite import ItemName

SuiteId = Annotated[
    str | None, typer.Option("--suite-id", metavar="ID", help="Name this evaluation. [the release id]")
]
OutputDir = Annotated[
    Path | None, typer.Option("--output-dir", metavar="DIR", help="Put copies of what was written here too.")
]
Report = Annotated[
    Path | None,
    typer.Option("--certification-report", metavar="FILE", help="Instead of the one beside the plan."),
]
Benchmark = Annotated[
    Path | None,
    typer.Option("--benchmark-baseline", metavar="FILE", help="Benchmark evidence; must be there."),
]
Lineage = Annotated[
    Path | None, typer.Option("--lineage-report", metavar="FILE", help="OpenLineage evidence; must be there.")
]
DbtLineage = Annotated[
    Path | None, typer.Option("--dbt-lineage-report", metavar="FILE", help="dbt lineage; must be there.")
]
StrategyBundle = Annotated[
    Path | None,
    typer.Option("--strategy-certification-bundle", metavar="FILE", help="Strategy bundle; must be there."),
]
Bundle = Annotated[
    Path | None, typer.Option("--evidence-bundle", metavar="FILE", help="Evidence bundle; must be there.")
]


def suite(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    suite_id: SuiteId = None,
    certification_report: Report = None,
    benchmark_baseline: Benchmark = None,
    lineage_report: Lineage = None,
    dbt_lineage_report: DbtLineage = None,
    strategy_certification_bundle: StrategyBundle = None,
    evidence_bundle: Bundle = None,
    require_benchmark: options.RequireBenchmark = False,
    require_lineage: options.RequireLineage = False,
    require_dbt_lineage: options.RequireDbtLineage = False,
    require_strategy_certification: options.RequireStrategy = False,
    require_evidence: options.RequireEvidence = False,
    output_dir: OutputDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Decide on the certification suite of a release again.

    Every item that is required or present is verified, down to the cells.
    """
    from certification_pipeline.gates.decide import write_suite  # noqa: PLC0415 - lazy on purpose

    given = (
        certification_report,
        benchmark_baseline,
        lineage_report,
        dbt_lineage_report,
        strategy_certification_bundle,
        evidence_bundle,
    )
    require = _require(
        evidence_dir,
        require_benchmark,
        require_lineage,
        require_dbt_lineage,
        require_strategy_certification,
        require_evidence,
    )
    decisions: list[Decision] = []
    for directory in _directories(evidence_dir, release_id, engine):
        paths = _paths(directory, given)
        decisions.append(
            write_suite(directory, str(uuid4()), suite_id=suite_id, require=require, paths=paths)
        )
        _copy(directory, ("certification_suite", "certification_suite_index"), output_dir)
    _answer(decisions, form)


def release_summary(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    suite_id: SuiteId = None,
    certification_report: Report = None,
    benchmark_baseline: Benchmark = None,
    lineage_report: Lineage = None,
    dbt_lineage_report: DbtLineage = None,
    strategy_certification_bundle: StrategyBundle = None,
    evidence_bundle: Bundle = None,
    require_benchmark: options.RequireBenchmark = False,
    require_lineage: options.RequireLineage = False,
    require_dbt_lineage: options.RequireDbtLineage = False,
    require_strategy_certification: options.RequireStrategy = False,
    require_evidence: options.RequireEvidence = False,
    output_dir: OutputDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Decide on a release again.

    Report, suite, index and summary are recomputed from the plan and the cells, and written.
    """
    from certification_pipeline.gates.decide import decide  # noqa: PLC0415 - lazy on purpose

    given = (
        certification_report,
        benchmark_baseline,
        lineage_report,
        dbt_lineage_report,
        strategy_certification_bundle,
        evidence_bundle,
    )
    require = _require(
        evidence_dir,
        require_benchmark,
        require_lineage,
        require_dbt_lineage,
        require_strategy_certification,
        require_evidence,
    )
    decisions: list[Decision] = []
    for directory in _directories(evidence_dir, release_id, engine):
        paths = _paths(directory, given)
        decided = decide(directory, str(uuid4()), suite_id=suite_id, require=require, paths=paths)
        decisions.append(decided.summary)
        _copy(directory, _DECISIONS, output_dir)
    _answer(decisions, form)


_DECISIONS = (
    "certification_report",
    "certification_suite",
    "certification_suite_index",
    "artifact_index",
    "release_summary",
)


def _require(evidence_dir: Path | None, *flags: bool) -> tuple[ItemName, ...]:
    """Flags in the order of the settings' fields; the variables ``CERTIFY_REQUIRE_*`` count too."""
    from certification_pipeline.settings import REQUIREMENTS, load_settings  # noqa: PLC0415 - lazy on purpose

    chosen = {name: flag or None for name, flag in zip(REQUIREMENTS, flags, strict=True)}
    return load_settings(evidence_dir=evidence_dir, **chosen).required


def _directories(
    evidence_dir: Path | None, release_id: str | None, engines: list[str] | None
) -> list[SubjectDir]:
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415 - lazy on purpose

    store, release, names = open_release(evidence_dir, release_id, engines)
    return [store.release(release, name) for name in names]


def _paths(directory: SubjectDir, given: tuple[Path | None, ...]) -> dict[ItemName, str]:
    """What was named, relative to the subject's directory. Raises ``EvidenceError`` for a path outside."""
    from certification_pipeline.evidence.errors import EvidenceError  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.suite import ItemName  # noqa: PLC0415

    paths: dict[ItemName, str] = {}
    for name, path in zip(ItemName, given, strict=True):
        if path is None:
            continue
        try:
            paths[name] = str(path.absolute().relative_to(directory.path.absolute()))
        except ValueError:
            remedy = "Copy the file there: evidence of a release lies in its own directory"
            raise EvidenceError(str(path), None, f"lies outside {directory.path}", remedy) from None
    return paths


def _copy(directory: SubjectDir, names: tuple[str, ...], output_dir: Path | None) -> None:
    from certification_pipeline.evidence.files import write_atomically  # noqa: PLC0415 - lazy on purpose

    for name in names if output_dir is not None else ():
        for suffix in (".json", ".md"):
            data = directory.read_bytes(name + suffix)
            write_atomically(Path(output_dir or ".") / directory.engine / (name + suffix), data)


def _answer(decisions: list[Decision], form: Format) -> None:
    from certification_pipeline.catalog.vocabulary import Outcome  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415

    if form is Format.JSON:
        emit([decision.model_dump(mode="json") for decision in decisions])
    else:
        for decision in decisions:
            print_decision(console(), decision)
    raise typer.Exit(exit_code(Outcome.worst(decision.outcome for decision in decisions)))
