"""``certify strategy-bundle`` and ``certify evidence-bundle``: checksummed evidence for reviews."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.evidence.decision import Decision

BundleId = Annotated[
    str | None, typer.Option("--bundle-id", metavar="ID", help="Name the bundle. [the release id]")
]
Replay = Annotated[
    Path | None, typer.Option("--replay-evidence", metavar="FILE", help="Replay evidence; must be there.")
]
Matrix = Annotated[
    Path | None,
    typer.Option("--matrix-artifact", metavar="FILE", help="Instead of the report beside the plan."),
]
Connector = Annotated[
    Path | None,
    typer.Option("--connector-artifact", metavar="FILE", help="Connector certification; must be there."),
]
Benchmark = Annotated[
    Path | None,
    typer.Option("--benchmark-artifact", metavar="FILE", help="Benchmark evidence; must be there."),
]
Docs = Annotated[
    list[str] | None,
    typer.Option(
        "--docs-link",
        metavar="PAGE",
        help="A page that explains it, relative to the repository; repeatable. [those of its families]",
    ),
]


def strategy_bundle(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    bundle_id: BundleId = None,
    replay_evidence: Replay = None,
    matrix_artifact: Matrix = None,
    connector_artifact: Connector = None,
    benchmark_artifact: Benchmark = None,
    docs_link: Docs = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Bundle replay, matrix, connector and benchmark evidence of a release.

    Every artifact is verified again. The matrix must be there, and what the sealed plan's families call for.
    """
    from certification_pipeline.cli.evidence import inside, subject_dirs  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import answer  # noqa: PLC0415
    from certification_pipeline.evidence.bundle import EvidenceKind  # noqa: PLC0415
    from certification_pipeline.gates.bundle_writer import BundleRequest  # noqa: PLC0415
    from certification_pipeline.gates.decide import write_strategy_bundle  # noqa: PLC0415

    given = {
        EvidenceKind.REPLAY: replay_evidence,
        EvidenceKind.MATRIX: matrix_artifact,
        EvidenceKind.CONNECTOR: connector_artifact,
        EvidenceKind.BENCHMARK: benchmark_artifact,
    }
    docs = None if docs_link is None else tuple(docs_link)
    decisions: list[Decision] = []
    for directory in subject_dirs(evidence_dir, release_id, engine):
        paths = {kind: inside(directory, path) for kind, path in given.items() if path is not None}
        request = BundleRequest(bundle_id=bundle_id, paths=paths, docs=docs)
        decisions.append(write_strategy_bundle(directory, str(uuid4()), request))
    raise typer.Exit(answer(decisions, form))


def evidence_bundle(
    *,
    release_id: options.ReleaseId = None,
    engine: options.Engines = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Bundle every artifact of a release by digest, each verified again."""
    from certification_pipeline.cli.evidence import subject_dirs  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import answer  # noqa: PLC0415
    from certification_pipeline.gates.decide import write_evidence_bundle  # noqa: PLC0415

    directories = subject_dirs(evidence_dir, release_id, engine)
    decisions = [write_evidence_bundle(directory, str(uuid4())) for directory in directories]
    raise typer.Exit(answer(decisions, form))
