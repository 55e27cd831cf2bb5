"""``certify benchmark``: measure the subject against its baseline, or hold given figures (seed 003)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.errors import INCONCLUSIVE, INTERRUPTED
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from certification_pipeline.evidence.benchmark import BenchmarkBaseline
    from certification_pipeline.evidence.subject_dir import SubjectDir
    from certification_pipeline.families.benchmark.asked import Asked

MetricsJson = Annotated[
    str | None,
    typer.Option(
        "--metrics-json", metavar="JSON|@FILE", help="Given figures, not measured: {metric: number}."
    ),
]
BaselineJson = Annotated[
    str | None,
    typer.Option(
        "--baseline-json",
        metavar="JSON|@FILE",
        help="What they are held against: {metric: {value: number, direction: higher|lower}}.",
    ),
]
Ratio = Annotated[
    float,
    typer.Option("--allowed-regression-ratio", metavar="R", help="How much worse is allowed, in [0, 1)."),
]
OneEngine = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Which engine. [the release's only one]")
]
Route = Annotated[
    str | None, typer.Option("--route", metavar="ROUTE", help="What is loaded. [postgres_to_postgres]")
]
Strategy = Annotated[str | None, typer.Option("--strategy", metavar="NAME", help="How. [full_refresh]")]
Rows = Annotated[int | None, typer.Option("--rows", metavar="N", min=60, help="Rows a load. [10000]")]
Pairs = Annotated[int | None, typer.Option("--pairs", metavar="N", help="Pairs, at least. [10]")]
MaxPairs = Annotated[
    int | None, typer.Option("--max-pairs", metavar="N", help="While undecided, up to so many. [20]")
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="SPEC",
        help="'self', a pinned artefact (.zip), or a lock file of the engine. [the pinned one, else self]",
    ),
]
GateWall = Annotated[
    bool, typer.Option("--gate-wall", help="Gate wall time, too: on a machine that does nothing else.")
]
Pin = Annotated[
    bool, typer.Option("--pin", help="When green: later releases are measured against this artefact.")
]


def benchmark(
    *,
    metrics_json: MetricsJson = None,
    baseline_json: BaselineJson = None,
    allowed_regression_ratio: Ratio = 0.10,
    engine: OneEngine = None,
    route: Route = None,
    strategy: Strategy = None,
    rows: Rows = None,
    pairs: Pairs = None,
    max_pairs: MaxPairs = None,
    baseline: Baseline = None,
    gate_wall: GateWall = False,
    pin: Pin = False,
    release_id: options.ReleaseId = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Measure real loads against the baseline's, side by side, and write benchmark_baseline.

    With --metrics-json and --baseline-json nothing is measured: the figures are a claim of whoever gives
    them. Decide on the release again afterwards: `certify release-summary --require-benchmark`.
    """
    from certification_pipeline.cli.evidence import open_subject  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.output import console, emit  # noqa: PLC0415
    from certification_pipeline.evidence.next_step import decide_again  # noqa: PLC0415
    from certification_pipeline.gates.benchmark_request import benchmark_request  # noqa: PLC0415
    from certification_pipeline.gates.decide import write_benchmark  # noqa: PLC0415
    from certification_pipeline.gates.exit_code import exit_code  # noqa: PLC0415
    from certification_pipeline.report.terminal import print_decision  # noqa: PLC0415

    measured = {
        "--route": route,
        "--strategy": strategy,
        "--rows": rows,
        "--pairs": pairs,
        "--max-pairs": max_pairs,
        "--baseline": baseline,
        "--gate-wall": gate_wall or None,
        "--pin": pin or None,
    }
    figures = _figures(metrics_json, baseline_json, measured)
    if figures is not None:
        request = benchmark_request(*figures, allowed_regression_ratio)
    else:
        asked = _asked(route, strategy, rows, pairs, max_pairs, allowed_regression_ratio, baseline, gate_wall)
    store, directory = open_subject(evidence_dir, release_id, engine)
    if figures is not None:
        decided = write_benchmark(directory, str(uuid4()), request)
    else:
        decided = _measured(store.root, directory, asked)
    if form is Format.JSON:
        emit(decided.model_dump(mode="json"))
    else:
        print_decision(console(), decided)
        _print_comparisons(decided)
        again = decide_again("release-summary", directory.engine, directory.release_id, "--require-benchmark")
        what = "given, not measured" if figures else "measured"
        typer.echo(f"These figures are {what}. Decide on the release again: {again}", err=True)
    if pin and decided.passed:
        from certification_pipeline.gates.benchmark_pin import pin_baseline  # noqa: PLC0415

        pinned = pin_baseline(store, directory, decided.run_id)
        typer.echo(f"Pinned {pinned.engine} {pinned.version} of release {pinned.release_id}.", err=True)
    raise typer.Exit(exit_code(decided.outcome))


def _figures(
    metrics: str | None, baseline: str | None, measured: Mapping[str, object]
) -> tuple[str, str] | None:
    """Both given sides, or ``None`` to measure; a mixture of both is refused."""
    from certification_pipeline.gates.benchmark_request import RequestError  # noqa: PLC0415 - lazy

    if metrics is None and baseline is None:
        return None
    if metrics is None or baseline is None:
        missing = "--metrics-json" if metrics is None else "--baseline-json"
        raise RequestError(f"{missing}: is not given", "give both sides, or neither to measure them")
    if wrong := [name for name, value in measured.items() if value is not None]:
        raise RequestError(f"{wrong[0]}: nothing is measured when figures are given", "leave one of both out")
    return metrics, baseline


def _asked(  # noqa: PLR0917 - an option each
    route: str | None,
    strategy: str | None,
    rows: int | None,
    pairs: int | None,
    max_pairs: int | None,
    ratio: float,
    baseline: str | None,
    gate_wall: bool,
) -> Asked:
    from certification_pipeline.families.benchmark.asked import asked_in_words  # noqa: PLC0415 - lazy

    return asked_in_words(
        route=route,
        strategy=strategy,
        rows=rows,
        pairs=pairs,
        max_pairs=max_pairs,
        ratio=ratio,
        baseline=baseline,
        gate_wall=gate_wall,
    )


def _measured(root: Path, directory: SubjectDir, asked: Asked) -> BenchmarkBaseline:
    """Measure in the release that is there; exits when nothing came of it."""
    from certification_pipeline.catalog.loading import load_catalog  # noqa: PLC0415 - lazy on purpose
    from certification_pipeline.cli.progress import RunProgress  # noqa: PLC0415
    from certification_pipeline.cli.run import cancelled_by_signals  # noqa: PLC0415
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    catalog = load_catalog()
    asked.check(catalog, directory.engine)
    settings = load_settings(evidence_dir=root, release_id=directory.release_id, engines=[directory.engine])
    from certification_pipeline.pipeline.families import measure_benchmark  # noqa: PLC0415 - heavy

    with cancelled_by_signals() as cancel, RunProgress() as progress:
        made = measure_benchmark(settings, catalog, directory.engine, progress.on_event, cancel, asked=asked)
    if made is not None:
        return made
    if cancel.is_set():
        typer.echo("Stopped: nothing was written.", err=True)
        raise typer.Exit(INTERRUPTED)
    typer.echo(f"Nothing was measured; the traceback is in {settings.release_dir}/harness.log", err=True)
    raise typer.Exit(INCONCLUSIVE)


def _print_comparisons(decided: BenchmarkBaseline) -> None:
    if decided.measurement is None:
        return
    import pandas as pd  # noqa: PLC0415 - heavy

    from certification_pipeline.cli.output import show  # noqa: PLC0415
    from certification_pipeline.evidence.benchmark_page import COMPARED, compared_rows  # noqa: PLC0415

    show(pd.DataFrame(compared_rows(decided), columns=list(COMPARED)), Format.TABLE, index=False)
