"""``certify run`` as a process of its own, in a temporary directory that shows whatever it leaves behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore

ROOT = Path(__file__).parents[2]
SCENARIOS = ("batch.full_refresh", "batch.empty", "idem.rerun")
CELLS = 6
"""So many on one route: enough to interrupt, quick to finish."""
WAIT = 240.0
"""A machine that has more to do takes its time."""
FINISHED = re.compile(r"\d+/\d+ \S+ (\w+) reference (\S+)")


@dataclass
class Certify:
    """One running command; its standard error is read line by line as it comes."""

    process: subprocess.Popen[str]
    temporary: Path
    lines: list[str] = field(default_factory=list)
    out: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _readers: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for stream, lines in ((self.process.stderr, self.lines), (self.process.stdout, self.out)):
            reader = threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, stream: object, lines: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            with self._news:
                lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def err(self) -> str:
        return "".join(self.lines)

    @property
    def finished(self) -> list[tuple[str, str]]:
        """Outcome and id of the cells that are done."""
        return FINISHED.findall(self.err)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Until the condition holds; it is looked at whenever a line came."""
        with self._news:
            held = self._news.wait_for(lambda: condition() or self._ended(), WAIT)
        assert held, f"waited {WAIT} s in vain\n{self.err}"
        assert condition(), self.err

    def _ended(self) -> bool:
        return self.process.poll() is not None and not self._readers[0].is_alive()

    def end(self, seconds: float = WAIT) -> int:
        """Its exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        assert "Traceback" not in self.err, self.err
        return code

    def postmaster(self) -> int:
        """The process id of its PostgreSQL."""
        [file] = self.temporary.glob("certify-pg-*/data/postmaster.pid")
        return int(file.read_text().split()[0])

    def survivors(self) -> list[str]:
        """Processes that belong to the run: they carry its temporary directory, or watch over it."""
        needle = str(self.temporary).encode()
        watchdog = f"watchdog.py\0{self.process.pid}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in (os.getpid(), self.process.pid):
                continue
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                if words and (needle in words + (entry / "environ").read_bytes() or watchdog in words):
                    found.append(f"{entry.name}: {words!r}")
        return found

    def leaves_nothing(self, seconds: float = 20) -> None:
        """Wait for the end of every process and directory that belongs to the run."""
        deadline = time.monotonic() + seconds
        while (any(self.temporary.iterdir()) or self.survivors()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.survivors() == []
        assert list(self.temporary.iterdir()) == []


@dataclass
class Bed:
    """Where commands run: a temporary directory and an evidence directory of the test's own."""

    temporary: Path
    evidence: Path
    running: list[Certify] = field(default_factory=list)

    def certify(
        self, *words: str, environ: dict[str, str] | None = None, temporary: Path | None = None
    ) -> Certify:
        place = temporary or self.temporary
        env = {name: value for name, value in os.environ.items() if not name.startswith("CERTIFY_")}
        if cache := os.environ.get("CERTIFY_CACHE"):
            env["CERTIFY_CACHE"] = cache
        process = subprocess.Popen(
            [sys.executable, "-m", "certification_pipeline.cli", *words],
            cwd=ROOT,
            env={**env, "TMPDIR": str(place), "COLUMNS": "200", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(Certify(process, place))
        return self.running[-1]

    def run(
        self,
        *words: str,
        release: str = "r1",
        workers: int = 1,
        environ: dict[str, str] | None = None,
        temporary: Path | None = None,
        evidence: Path | None = None,
    ) -> Certify:
        """``certify run`` of a few cells of the reference engine."""
        chosen = [word for scenario in SCENARIOS for word in ("--scenario", scenario)]
        return self.certify(
            "run",
            *("--engine", "reference", "--route", "postgres_to_postgres", *chosen, "--rows", "120"),
            *("--release-id", release, "--workers", str(workers)),
            *("--no-report", "--evidence-dir", str(evidence or self.evidence), *words),
            environ=environ,
            temporary=temporary,
        )

    def cells(self, release: str = "r1") -> dict[str, CellEvidence]:
        """All evidence there is; a file that is no evidence fails the test."""
        directory = EvidenceStore(self.evidence).release(release, "reference")
        plan = directory.read(directory.plan_path, CertificationPlan)
        there = {path.name for path in (directory.path / "cells").iterdir()}
        found = {c.key.cell_id: c for _, c in directory.cells(plan) if isinstance(c, CellEvidence)}
        assert there == {f"{cell_id}.json" for cell_id in found}, "nothing half-written, nothing temporary"
        return found

    def green(self, release: str = "r1") -> bool:
        cells = self.cells(release)
        return len(cells) == CELLS and {cell.outcome for cell in cells.values()} == {Outcome.PASSED}


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    # Not below pytest's own directory: PostgreSQL runs as another user when we are root.
    temporary = Path(tempfile.mkdtemp(prefix="certify-robustness-", dir="/tmp"))
    temporary.chmod(0o755)
    made = Bed(temporary, tmp_path / "evidence")
    yield made
    for command in made.running:
        if command.process.poll() is None:
            os.killpg(command.process.pid, signal.SIGKILL)
            command.process.wait()
        for pid in (int(line.partition(":")[0]) for line in command.survivors()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(temporary, ignore_errors=True)
