"""``certify benchmark``: hold given figures against a given baseline (seed 003)."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

MetricsJson = Annotated[
    str,
    typer.Option("--metrics-json", metavar="JSON|@FILE", help="What was measured: {metric: number}."),
]
BaselineJson = Annotated[
    str,
    typer.Option(
        "--baseline-json",
        metavar="JSON|@FILE",
        help="What it is held against: {metric: {value: number, direction: higher|lower}}.",
    ),
]
Ratio = Annotated[
    float,
    typer.Option("--allowed-regression-ratio", metavar="R", help="How much worse is allowed, in [0, 1)."),
]
OneEngine = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="Whose figures they are. [the release's only engine]"),
]


def benchmark(
    *,
    metrics_json: MetricsJson,
    baseline_json: BaselineJson,
    allowed_regression_ratio: Ratio = 0.10,
    engine: OneEngine = None,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Hold given figures against a baseline and write benchmark_baseline into the release.

    The figures are a claim of whoever gives them: nothing is measured here. Decide on the release again
    afterwards: `certify release-summary --require-benchmark`.
    """
    from certification_pipeline.cli.evidence import open_release  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.gates.benchmark_request import benchmark_request, the_only  # noqa: PLC0415
    from certification_pipeline.gates.decide import write_benchmark  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.gates.next_step import decide_again  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415

    request = benchmark_request(metrics_json, baseline_json, allowed_regression_ratio)
    store, release, engines = open_release(evidence_dir, release_id, [engine] if engine else None)
    decided = write_benchmark(store.release(release, the_only(engines)), str(uuid4()), request)
    if form is Format.JSON:
        emit(decided.model_dump(mode="json"))
    else:
        print_decision(console(), decided)
        again = decide_again("release-summary", decided.subject.engine, release, "--require-benchmark")
        typer.echo(f"These figures are given, not measured. Decide on the release again: {again}", err=True)
    raise typer.Exit(exit_code(decided.outcome))
