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
    from certification_pipeline.settings import RunSettings

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
    from certification_pipeline.cli.evidence import subject_dirs  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.decide import decide_suite  # noqa: PLC0415

    given = (
        certification_report,
        benchmark_baseline,
        lineage_report,
        dbt_lineage_report,
        strategy_certification_bundle,
        evidence_bundle,
    )
    settings = _settings(
        evidence_dir,
        require_benchmark,
        require_lineage,
        require_dbt_lineage,
        require_strategy_certification,
        require_evidence,
    )
    decisions: list[Decision] = []
    for directory in subject_dirs(evidence_dir, release_id, engine):
        paths = _paths(directory, given)
        decisions.append(
            decide_suite(directory, str(uuid4()), suite_id=suite_id, require=settings.required, paths=paths)
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

    Report, bundles, suite, index and summary are recomputed from the plan, the cells and the families'
    artifacts, and written. A decision that lay there and was none is replaced, told, and red this once.
    """
    from certification_pipeline.cli.evidence import subject_dirs  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.gates.decide import decide, no_evidence  # noqa: PLC0415

    given = (
        certification_report,
        benchmark_baseline,
        lineage_report,
        dbt_lineage_report,
        strategy_certification_bundle,
        evidence_bundle,
    )
    settings = _settings(
        evidence_dir,
        require_benchmark,
        require_lineage,
        require_dbt_lineage,
        require_strategy_certification,
        require_evidence,
    )
    signer, trusted = settings.signer(), settings.trusted()
    decisions: list[Decision] = []
    replaced: list[str] = []
    for directory in subject_dirs(evidence_dir, release_id, engine):
        paths = _paths(directory, given)
        replaced += [f"{directory.engine}: {told}" for told in no_evidence(directory)]
        decided = decide(
            directory,
            str(uuid4()),
            suite_id=suite_id,
            require=settings.required,
            paths=paths,
            signer=signer,
            trusted=trusted,
        )
        decisions.append(decided.summary)
        _copy(directory, _DECISIONS, output_dir)
    for told in replaced:
        typer.echo(f"✗ {told}. It was no evidence, and was replaced by what the evidence shows", err=True)
    _answer(decisions, form, red=bool(replaced))


_DECISIONS = (
    "certification_report",
    "strategy_certification_bundle",
    "ops_evidence_bundle",
    "certification_suite",
    "certification_suite_index",
    "artifact_index",
    "release_summary",
)


def _settings(evidence_dir: Path | None, *flags: bool) -> RunSettings:
    """Flags in the order of the settings' fields; the variables ``CERTIFY_REQUIRE_*`` count too."""
    from certification_pipeline.settings import REQUIREMENTS, load_settings  # noqa: PLC0415 - lazy on purpose

    chosen = {name: flag or None for name, flag in zip(REQUIREMENTS, flags, strict=True)}
    return load_settings(evidence_dir=evidence_dir, **chosen)


def _paths(directory: SubjectDir, given: tuple[Path | None, ...]) -> dict[ItemName, str]:
    """What was named, relative to the subject's directory. Raises ``EvidenceError`` for a path outside."""
    from certification_pipeline.cli.evidence import inside  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.evidence.suite import ItemName  # noqa: PLC0415

    return {
        name: inside(directory, path) for name, path in zip(ItemName, given, strict=True) if path is not None
    }


def _copy(directory: SubjectDir, names: tuple[str, ...], output_dir: Path | None) -> None:
    from certification_pipeline.evidence.files import write_atomically  # noqa: PLC0415 - lazy on purpose

    for name in names if output_dir is not None else ():
        for suffix in (".json", ".md"):
            data = directory.read_bytes(name + suffix)
            write_atomically(Path(output_dir or ".") / directory.engine / (name + suffix), data)


def _answer(decisions: list[Decision], form: Format, *, red: bool = False) -> None:
    from certification_pipeline.cli.output import answer  # noqa: PLC0415 - lazy on purpose

    raise typer.Exit(answer(decisions, form) or int(red))
