"""How deciding and verifying grow: with the cells of one release, and with the releases of one ledger.

    python -m benchmarks.scale [--cells 100000] [--releases 1000] [--keep DIR] [--format table|json]

Every step is a process of its own, at a tenth and at the whole of the size: CPU seconds, their ratio (linear
means near 10), the largest resident memory, and what it grows by. CPU time, because machines are shared.
What one append costs: ``append_scale``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from benchmarks.shown import Row, parser, progress, show
from benchmarks.synthetic import ENGINE, START, SUBJECT, cells_of, decide
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.exports.junit import junit_xml
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.gates import chain
from certification_pipeline.gates.certification_suite import certification_suite
from certification_pipeline.gates.decide import read_matrix
from certification_pipeline.gates.exported import exported
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.levels.decision import decide_levels
from certification_pipeline.gates.levels.facts import VARIABLE
from certification_pipeline.gates.levels.reading import read_ledger
from certification_pipeline.gates.release_summary import verify_release_summary
from certification_pipeline.gates.seal import seal_evidence
from certification_pipeline.gates.verify.evidence import Asked, verify_evidence
from certification_pipeline.gates.verify.judge import Held
from certification_pipeline.report.html import write_html
from certification_pipeline.report.loading import load_release
from certification_pipeline.report.published import read_published

LEDGER_CELLS = 5
"""In each release of the ledger."""


def _directory(root: Path, release: str | None = None) -> SubjectDir:
    store = EvidenceStore(root)
    return store.release(release or store.releases()[-1], ENGINE)


def _report(root: Path) -> None:
    assert read_matrix(_directory(root), "run").passed


def _suite(root: Path) -> None:
    assert certification_suite(_directory(root), stamp("run"), suite_id="scale").passed


def _summary(root: Path) -> None:
    found = verify_release_summary(_directory(root), stamp("run"))
    assert found.passed, found.blockers[:3]


def _chain_verify(root: Path) -> None:
    assert not chain.verify(EvidenceStore(root), ENGINE).problems


def _append(root: Path) -> None:
    """One release more, chained."""
    directory = cells_of(root, "zzz", LEDGER_CELLS, day=5000)
    decide(directory, day=5000)
    shutil.rmtree(directory.path.parent)


def _verify(root: Path) -> None:
    found = verify_evidence(Asked(root, planned=lambda *_: Held()))
    assert found.outcome.value == "passed", found.findings[:3]


def _levels(root: Path) -> None:
    """From the raw cells of every release; nothing that was kept is used."""
    at = START + timedelta(days=len(EvidenceStore(root).releases()))
    ledger = read_ledger(EvidenceStore(root), ENGINE, keep=False)
    policies = load_catalog().policies
    decide_levels(
        ledger.history,
        policies,
        SUBJECT,
        stamp("run").model_copy(update={"created_at": at}),
        release_id="r",
        profile="embedded",
        chain=ledger.link,
        problems=ledger.problems,
    )


def _export(root: Path) -> None:
    junit_xml([exported(_directory(root), stamp("run"))])


def _record(root: Path) -> None:
    read_published(EvidenceStore(root), _directory(root).release_id, ENGINE, stamp("run"))


def _seal(root: Path) -> None:
    """Statements about every cell, unsigned, over those that are there: the same bytes."""
    seal_evidence(_directory(root), None, verifiers=VERIFIERS.remembering())
    (_directory(root).path / layout.ATTESTATIONS).unlink()


def _page(root: Path) -> None:
    store = EvidenceStore(root)
    release = load_release(store, _directory(root).release_id)
    write_html(release, load_catalog(), root.parent / "page.html")


IN_ONE_RELEASE: Mapping[str, Callable[[Path], None]] = {
    "report": _report,
    "suite": _suite,
    "release summary, verified": _summary,
    "chain verify": _chain_verify,
    "certify verify": _verify,
    "levels": _levels,
    "export": _export,
    "published record": _record,
    "HTML report": _page,
    "seal": _seal,  # last: its file goes again
}
IN_ONE_LEDGER: Mapping[str, Callable[[Path], None]] = {
    "chain verify": _chain_verify,
    "certify verify": _verify,
    "levels": _levels,
    "one release more": _append,  # last: its files go again, its entry stays
}


def make_release(root: Path, cells: int) -> None:
    decide(cells_of(root, "scale", cells))


def make_ledger(root: Path, releases: int) -> None:
    os.environ[VARIABLE] = str(root.parent / "cache")
    for day in range(releases):
        decide(cells_of(root, f"r{day:05d}", LEDGER_CELLS, day), day)


def step(kind: str, name: str, root: Path) -> None:
    """What a child does; prints what it took beyond the imports."""
    work = (IN_ONE_RELEASE if kind == "cells" else IN_ONE_LEDGER)[name]
    wall, processor = time.perf_counter(), time.process_time()
    work(root)
    took = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - processor,
        "peak_mb": peak_mb(),
    }
    print(json.dumps(took))


def peak_mb() -> float:
    """Largest resident memory of this program; ``ru_maxrss`` would count the one that started it, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(kind: str, name: str, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scale", "--step", kind, name, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{kind} {name}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def compare(
    kind: str, size: int, make: Callable[[Path, int], None], names: Iterable[str], kept: Path
) -> list[Row]:
    """Evidence that lies in ``kept`` already is used again."""
    sizes = (size // 10, size)
    for count in sizes:
        made = kept / kind / str(count)
        if not made.exists():
            began = time.process_time()
            make(made, count)
            progress(f"{count} {kind} made in {time.process_time() - began:.0f} s CPU")
    rows: list[Row] = []
    for name in names:
        few, many = (measured(kind, name, kept / kind / str(count)) for count in sizes)
        rows.append(
            {
                "step": name,
                f"{kind}": size,
                "cpu_s_tenth": few["cpu"],
                "cpu_s": many["cpu"],
                "ratio": many["cpu"] / few["cpu"],
                "us_each": many["cpu"] / size * 1e6,
                "peak_mb_tenth": few["peak_mb"],
                "peak_mb": many["peak_mb"],
                "kb_each": (many["peak_mb"] - few["peak_mb"]) / (sizes[1] - sizes[0]) * 1024,
            }
        )
        progress(f"{name}: {few['cpu']:.1f} s, {many['cpu']:.1f} s, {many['peak_mb']:.0f} MB")
    return rows


def main() -> None:
    asking = parser(__doc__)
    asking.add_argument("--cells", type=int, default=100_000)
    asking.add_argument("--releases", type=int, default=1000)
    asking.add_argument("--only", action="append", default=[], help="only these steps")
    asking.add_argument("--keep", type=Path, help="make evidence there, or use what is there, and leave it")
    asking.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    asked = asking.parse_args()
    if asked.step:
        kind, name, root = asked.step
        step(kind, name, Path(root))
        return
    kept = asked.keep or Path(tempfile.mkdtemp(prefix="scale-"))
    chosen = partial(filter, lambda name: not asked.only or name in asked.only)
    try:
        for kind, size, make, steps in (
            ("cells", asked.cells, make_release, IN_ONE_RELEASE),
            ("releases", asked.releases, make_ledger, IN_ONE_LEDGER),
        ):
            if size:
                show(f"scale: {kind}", compare(kind, size, make, chosen(steps), kept), asked.format)
    finally:
        if asked.keep is None:
            shutil.rmtree(kept)


if __name__ == "__main__":
    main()
