"""All of it as processes of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import dagster as dg
import yaml

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.harness.services.watchdog import MARK_VARIABLE
from certification_pipeline.orchestration.local_runs import run_process
from tests.orchestration.stacks.disk import small_disk
from tests.orchestration.stacks.ports import free_port
from tests.orchestration.stacks.size import NARROWED
from tests.orchestration.stacks.stack import LOCATION, ROOT, Stack, eventually


class LocalStack(Stack):
    """History, evidence and the three processes below one directory."""

    def __init__(self, root: Path, temporary: Path, storage: dict[str, object] | None = None) -> None:
        """``storage``: as in ``dagster.yaml``; else the one that is shipped."""
        self.root, self.temporary = root, temporary
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.home, self.evidence = self.root / "home", self.root / "evidence"
        self.home.mkdir()
        shipped = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        shipped["storage"]["custom"]["config"]["base_dir"] = str(self.home / "storage")
        shipped["storage"] = storage or shipped["storage"]
        for section, place in (("local_artifact_storage", "artifacts"), ("compute_logs", "logs")):
            shipped[section]["config"]["base_dir"] = str(self.home / place)
        # The same machinery, looked at more often.
        shipped["run_monitoring"].update(poll_interval_seconds=2, free_slots_after_run_end_seconds=1)
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(shipped))
        self.port, self.code = free_port(), free_port()
        server = {"host": "127.0.0.1", "port": self.code, "location_name": LOCATION}
        self.workspace = self.home / "workspace.yaml"
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))

    @property
    def store(self) -> EvidenceStore:
        return EvidenceStore(self.evidence)

    def make_history(self) -> None:
        """As `dagster dev` does before it starts anything: two that make the database at once are in each
        other's way.
        """
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            instance.get_runs_count()
            instance.all_instigator_state()

    def start(self, *names: str) -> None:
        python, address = sys.executable, ("-h", "127.0.0.1", "-p")
        location = ("-m", "tests.orchestration.stacks.location", "-a", "defs")
        ours = ("-m", "certification_pipeline.orchestration.web", "--no-daemon", "-w", str(self.workspace))
        commands = {
            "webserver": (*ours, "--port", str(self.port)),
            "daemon": ("-m", "dagster._daemon", "run", "-w", str(self.workspace)),
            "code": ("-m", "dagster", "api", "grpc", *address, str(self.code), *location),
        }
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CERTIFY_", "DAGSTER"))
        }
        if cache := os.environ.get("CERTIFY_CACHE"):
            kept["CERTIFY_CACHE"] = cache
        environ = {
            **kept,
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            # On a machine that has more to do, a run's process takes longer to start than Dagster waits.
            "DAGSTER_GRPC_TIMEOUT_SECONDS": "300",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),
            "CERTIFY_EVIDENCE_DIR": str(self.evidence),
            **NARROWED,
        }
        for name in names:
            with (self.home / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [python, *commands[name]],
                    cwd=self.home,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        if "webserver" in names:
            eventually("the webserver answers", lambda: self._all_live() and self.answers())
        if "code" in names:
            eventually("the code location is loaded", lambda: self._all_live() and self.loaded())

    def _all_live(self) -> bool:
        for name, process in self.running.items():
            assert process.poll() is None, (self.home / f"{name}.log").read_text()[-3000:]
        return True

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def kill_worker(self, run_id: str) -> str:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            found = eventually("the run says its process", lambda: run_process(instance, run_id))
        os.kill(int(found[0]), signal.SIGKILL)
        return f"its process {found[0]} is gone"

    def left_behind(self) -> list[str]:
        place = f"TMPDIR={self.temporary}".encode()
        found = [str(path) for path in self.temporary.glob("certify-*")]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    words, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
                    ours = str(self.temporary).encode() in words or (
                        place in environ and (MARK_VARIABLE.encode() in environ or b"watchdog.py" in words)
                    )
                    if words and ours:
                        found.append(f"{entry.name}: {words[:200]!r}")
        return found

    def cells_done(self, release: str) -> int:
        return len(list((self.store.release(release, "reference").path / "cells").glob("[!.]*.json")))

    def tick_at(self, minute: str) -> None:
        (self.root / "minute").write_text(minute)

    @contextmanager
    def small_disk(self, release: str) -> Iterator[Path]:
        with small_disk(self.store.release_path(release)) as place:
            yield place

    @classmethod
    @contextmanager
    def installed(cls, root: Path, *names: str) -> Iterator[Self]:
        """An installation with these processes, and nothing of it afterwards."""
        # Not below pytest's own directory: PostgreSQL runs as another user when we are root.
        temporary = Path(tempfile.mkdtemp(prefix="certify-stack-", dir="/tmp"))
        temporary.chmod(0o755)
        made = cls(root, temporary)
        try:
            made.make_history()
            made.start(*names)
            yield made
        finally:
            made.stop()
            shutil.rmtree(temporary, ignore_errors=True)

    def stop(self) -> None:
        for process in self.running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        place = f"DAGSTER_HOME={self.home}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if place in (entry / "environ").read_bytes():
                        os.kill(int(entry.name), signal.SIGKILL)
