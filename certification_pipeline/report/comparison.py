"""The same workload through all engines, side by side: who is right, what is promised, how fast, how big."""

from __future__ import annotations

import pandas as pd

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, Strategy
from certification_pipeline.evidence.canonical import parse
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.evidence.comparison import EngineComparison, Spread
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow, write_atomically
from certification_pipeline.evidence.layout import COMPARISON, LARGEST_ARTIFACT
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.guarantees import observed_frame
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import CellLine, ReleaseView
from certification_pipeline.report.tally import LEGEND, SYMBOL

FEW = 2
"""So many engines need no page of their own."""

_ORDER = {strategy.value: at for at, strategy in enumerate(Strategy)}


def side_by_side(release: ReleaseView, *, known: bool = True) -> pd.DataFrame:
    """One row a route, strategy and scenario that some engine ran; a column an engine: what came of it.

    ``known``: with the ids of findings.
    """
    ran = {
        (line.key.route_id, line.key.strategy.value, line.key.scenario)
        for subject in release.subjects
        for line in subject.ran
    }
    rows = sorted(ran, key=lambda row: (row[0], _ORDER[row[1]], row[2]))
    frame = pd.DataFrame(rows, columns=["route", "strategy", "scenario"])
    for subject in release.subjects:
        found = {
            (line.key.route_id, line.key.strategy.value, line.key.scenario): line for line in subject.lines
        }
        frame[subject.subject.engine] = [_verdict(found.get(row), known) for row in rows]
    return frame


def speed_table(comparison: EngineComparison) -> pd.DataFrame:
    """One row an engine, the right ones first, by speed: multiples of raw COPY in the same turn, memory."""
    ordered = sorted(
        comparison.subjects,
        key=lambda one: (one.wall is None, bool(one.remark), one.wall.median if one.wall else 0.0),
    )
    rows = [
        {
            "engine": one.subject.engine,
            "version": one.subject.version,
            "route": (one.route_id or "").replace("_to_", " → "),
            "wall × raw COPY": _ratio(one.wall),
            "CPU × raw COPY": _ratio(one.cpu),
            "peak MB": _megabytes(one.memory),
            "turns": len(one.turns),
            "remark": one.problem or one.remark or "",
        }
        for one in ordered
    ]
    columns = [
        "engine",
        "version",
        "route",
        "wall × raw COPY",
        "CPU × raw COPY",
        "peak MB",
        "turns",
        "remark",
    ]
    return pd.DataFrame(rows, columns=columns)


def speed_line(comparison: EngineComparison) -> str:
    """What was measured, where and when, in one sentence."""
    return (
        f"{comparison.strategy} of {comparison.rows:,} rows, {comparison.asked_turns} turns, each engine "
        "alone in a fresh warmed-up process, raw COPY of the same table right after it; median (range). "
        f"{comparison.hardware.key}, {comparison.created_at:%Y-%m-%d}."
    )


def read_comparison(store: EvidenceStore, release_id: str) -> EngineComparison | None:
    """What lies beside the release; ``None`` when nothing was measured. Raises ``EvidenceError``."""
    path = store.release_path(release_id) / COMPARISON
    try:
        return parse(read_no_follow(path, str(path), LARGEST_ARTIFACT), EngineComparison, str(path))
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return None
        raise


def comparison_markdown(release: ReleaseView, comparison: EngineComparison | None) -> str:
    """The whole page."""
    parts = [
        f"# Engines side by side: release {release.release_id}",
        f"Who is right, cell by cell. {LEGEND}; blank: not planned for that engine.",
        frame_markdown(side_by_side(release), index=False),
        "## Delivery guarantees, declared and observed",
        frame_markdown(observed_frame(release), index=False),
        "## Speed and memory",
        _measured(comparison, release.release_id),
    ]
    return "\n\n".join(parts) + "\n"


def write_comparison(release: ReleaseView, store: EvidenceStore) -> None:
    """Write ``comparison.md`` into the release; nothing for a release of few engines that nobody compared."""
    comparison = read_comparison(store, release.release_id)
    if comparison is None and len(release.subjects) <= FEW:
        return
    path = (store.release_path(release.release_id) / COMPARISON).with_suffix(".md")
    write_atomically(path, comparison_markdown(release, comparison).encode("utf-8", "replace"))


def by_route(release: ReleaseView) -> list[tuple[str, pd.DataFrame]]:
    """The side-by-side frame in pieces: one a route, with the engines that have a say there."""
    return [
        (str(route).replace("_to_", " → "), with_a_say(part).drop(columns="route"))
        for route, part in side_by_side(release).groupby("route", sort=False)
    ]


def with_a_say(frame: pd.DataFrame) -> pd.DataFrame:
    """Without the engines that claim nothing of it."""
    silent = ("", SYMBOL[Outcome.INAPPLICABLE])
    return frame.loc[:, [name for name in frame.columns if not frame[name].isin(silent).all()]]


def _measured(comparison: EngineComparison | None, release_id: str) -> str:
    if comparison is None:
        return f"Not measured yet: `certify compare --release-id {release_id}`."
    return f"{speed_line(comparison)}\n\n{frame_markdown(speed_table(comparison), index=False)}"


def _verdict(line: CellLine | None, known: bool) -> str:
    """``✓``, ``✗ corrupt, lost (dlt-04)``, ``?``; empty for a cell that this engine's plan does not hold."""
    if line is None:
        return ""
    symbol = SYMBOL[line.outcome]
    if line.outcome is not Outcome.FAILED:
        return symbol
    judgements = line.evidence.judgements if line.evidence else ()
    seen = {a for j in judgements if isinstance(j, RowJudgement) for a, count in j.anomalies.items() if count}
    words = ", ".join(anomaly.value.replace("_", " ") for anomaly in Anomaly if anomaly in seen)
    ids = ", ".join(finding.id for finding in line.findings) if known else ""
    return " ".join(part for part in (symbol, words, f"({ids})" if ids else "") if part)


def _ratio(spread: Spread | None) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})" if spread else ""


def _megabytes(spread: Spread | None) -> str:
    return (
        f"{spread.median / 1e6:,.0f} ({spread.low / 1e6:,.0f} to {spread.high / 1e6:,.0f})" if spread else ""
    )
