"""How deciding and verifying grow: with the cells of one release, and with the releases of one ledger.

    python -m benchmarks.scale [--cells 100000] [--releases 1000]

Every step is a process of its own, at a tenth and at the whole of the size: CPU seconds, their ratio (linear
means near 10) and the largest resident memory. CPU time is told because machines are shared.
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
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

from benchmarks.synthetic import ENGINE, START, SUBJECT, cells_of, decide
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.evidence.exports.junit import junit_xml
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.gates import chain
from certification_pipeline.gates.certification_suite import certification_suite
from certification_pipeline.gates.decide import read_matrix
from certification_pipeline.gates.exported import exported
from certification_pipeline.gates.levels.decision import decide_levels
from certification_pipeline.gates.levels.facts import VARIABLE
from certification_pipeline.gates.levels.reading import read_ledger
from certification_pipeline.gates.release_summary import verify_release_summary
from certification_pipeline.gates.verify.evidence import Asked, verify_evidence
from certification_pipeline.gates.verify.judge import Held
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


IN_ONE_RELEASE: Mapping[str, Callable[[Path], None]] = {
    "report": _report,
    "suite": _suite,
    "release summary, verified": _summary,
    "chain verify": _chain_verify,
    "certify verify": _verify,
    "levels": _levels,
    "export": _export,
    "published record": _record,
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


def compare(kind: str, size: int, make: Callable[[Path, int], None], names: list[str]) -> None:
    roots: dict[int, Path] = {}
    base = Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        for count in (size // 10, size):
            roots[count] = base / str(count)
            began = time.process_time()
            make(roots[count], count)
            print(f"{count:>7} {kind} made in {time.process_time() - began:.0f} s CPU", flush=True)
        for name in names:
            few, many = (measured(kind, name, roots[count]) for count in (size // 10, size))
            ratio, each = many["cpu"] / few["cpu"], many["cpu"] / size * 1e6
            print(
                f"{name:<26} {few['cpu']:8.2f} s {many['cpu']:8.2f} s   x {ratio:5.1f}   {each:8.0f} µs each"
                f"   peak {few['peak_mb']:6.0f} -> {many['peak_mb']:6.0f} MB",
                flush=True,
            )
    finally:
        shutil.rmtree(base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--releases", type=int, default=1000)
    parser.add_argument("--only", action="append", default=[], help="only these steps")
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        kind, name, root = asked.step
        step(kind, name, Path(root))
        return
    chosen = partial(filter, lambda name: not asked.only or name in asked.only)
    if asked.cells:
        print(f"One release with {asked.cells // 10} and with {asked.cells} cells")
        compare("cells", asked.cells, make_release, list(chosen(IN_ONE_RELEASE)))
    if asked.releases:
        few, many = asked.releases // 10, asked.releases
        print(f"One ledger with {few} and with {many} releases of {LEDGER_CELLS} cells")
        compare("releases", asked.releases, make_ledger, list(chosen(IN_ONE_LEDGER)))


if __name__ == "__main__":
    main()
