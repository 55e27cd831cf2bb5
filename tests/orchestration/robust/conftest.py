"""Dagster as people run it: webserver, daemon and code server as processes, everything asked over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pytest
import yaml

from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.chain import verify
from certification_pipeline.harness.services.watchdog import MARK_VARIABLE
from certification_pipeline.orchestration.local_runs import run_process
from certification_pipeline.orchestration.names import RELEASE_TAG
from tests.orchestration.conftest import SIZE

ROOT = Path(__file__).parents[3]
WAIT = 240.0
LOCATION = "robust"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def eventually(what: str, condition: Callable[[], object], seconds: float = WAIT) -> Any:
    """What the condition answers as soon as it is true; these processes tell nobody but their files."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds} s in vain: {what}"
        time.sleep(0.2)
    return found


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


@dataclass
class Stack:
    """One installation: history, evidence and the three processes."""

    root: Path
    temporary: Path
    environ: dict[str, str] = field(default_factory=dict)
    location: Path = ROOT / "tests/orchestration/robust/location.py"
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home, self.evidence = self.root / "home", self.root / "evidence"
        self.home.mkdir()
        shipped = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        shipped["storage"] = {"sqlite": {"base_dir": str(self.home / "storage")}}
        for section, place in (("local_artifact_storage", "artifacts"), ("compute_logs", "logs")):
            shipped[section]["config"]["base_dir"] = str(self.home / place)
        # The same machinery, looked at more often.
        shipped["run_monitoring"].update(poll_interval_seconds=2, free_slots_after_run_end_seconds=1)
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(shipped))
        self.web, self.code = free_port(), free_port()
        server = {"host": "127.0.0.1", "port": self.code, "location_name": LOCATION}
        self.workspace = self.home / "workspace.yaml"
        self.workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        self.store = EvidenceStore(self.evidence)
        # As `dagster dev` does before it starts anything: two that make the database at once are in each
        # other's way.
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            instance.get_runs_count()
            instance.all_instigator_state()

    # --- processes

    def start(self, *names: str) -> None:
        python, address = sys.executable, ("-h", "127.0.0.1", "-p")
        location = str(self.location)
        ours = ("-m", "certification_pipeline.orchestration.web", "--no-daemon", "-w", str(self.workspace))
        commands = {
            "webserver": ("-m", "dagster_webserver", "-w", str(self.workspace), *address, str(self.web)),
            "ui": (*ours, "--port", str(self.web)),
            "daemon": ("-m", "dagster._daemon", "run", "-w", str(self.workspace)),
            "code": ("-m", "dagster", "api", "grpc", *address, str(self.code), "-f", location, "-a", "defs"),
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
            "CERTIFY_WORKERS": "1",
            **self.environ,
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
        if {"webserver", "ui"} & set(names):
            eventually("the webserver answers", lambda: self._all_live() and self._answers())
        if "code" in names:
            eventually("the code location is loaded", lambda: self._all_live() and self.loaded())

    def _all_live(self) -> bool:
        for name, process in self.running.items():
            assert process.poll() is None, (self.home / f"{name}.log").read_text()[-3000:]
        return True

    def kill(self, name: str) -> None:
        """As the kernel does when memory is short: that process and nobody else."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("{ version }")["version"])
        return False

    def loaded(self) -> bool:
        try:
            found = self.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus "
                "locationOrLoadError { __typename } } } } }"
            )
        except OSError:
            return False
        entries = found["workspaceOrError"]["locationEntries"]
        return [e["locationOrLoadError"] for e in entries] == [{"__typename": "RepositoryLocation"}]

    def reload(self) -> None:
        self.ask(
            "mutation ($l: String!) { reloadRepositoryLocation(repositoryLocationName: $l) { __typename } }",
            l=LOCATION,
        )

    def left_behind(self) -> list[str]:
        """Engines, services and watchdogs of this installation's runs, and directories of theirs."""
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

    def leaves_nothing(self) -> None:
        eventually(f"nothing is left behind: {self.left_behind()}", lambda: not self.left_behind(), 60)

    # --- what people do in the UI

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.web}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            said = json.load(answer)
        assert not said.get("errors"), said
        return dict(said["data"])

    def launch(
        self,
        release: str,
        job: str = "full_certification",
        *,
        config: Mapping[str, object] | None = SIZE,
        checks: Mapping[str, str] | None = None,
    ) -> str:
        """Launch a job as the launchpad does, or single checks (sink -> strategy) as *Execute* does."""
        selector: dict[str, object] = {
            "repositoryName": "__repository__",
            "repositoryLocationName": LOCATION,
            "jobName": "__ASSET_JOB" if checks else job,
        }
        if checks:
            selector["assetSelection"] = []
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": ["matrix", "reference", "postgres", sink]}, "name": strategy}
                for sink, strategy in checks.items()
            ]
        planned = config is not None and not checks and job != "verdict"
        launched = self.ask(
            "mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename "
            "... on LaunchRunSuccess { run { runId } } ... on PythonError { message } "
            "... on RunConfigValidationInvalid { errors { message } } } }",
            p={
                "selector": selector,
                "runConfigData": {"ops": {"plan": {"config": dict(config or {})}}} if planned else {},
                "executionMetadata": {"tags": [{"key": RELEASE_TAG, "value": release}]},
            },
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def terminate(self, run_id: str, policy: str = "SAFE_TERMINATE") -> None:
        said = self.ask(
            "mutation ($r: String!, $p: TerminateRunPolicy) { terminateRun(runId: $r, terminatePolicy: $p) "
            "{ __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }",
            r=run_id,
            p=policy,
        )
        assert said["terminateRun"]["__typename"] == "TerminateRunSuccess", said

    # --- what came of it

    def runs(self, **tags: str) -> dict[str, str]:
        """Run id -> status, of the runs with these tags."""
        found = self.ask(
            "query ($f: RunsFilter) { runsOrError(filter: $f) { ... on Runs { results { runId status } } } }",
            f={"tags": [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]},
        )
        return {run["runId"]: run["status"] for run in found["runsOrError"]["results"]}

    def of_release(self, release: str) -> dict[str, str]:
        return self.runs(certification__release=release)

    def status(self, run_id: str) -> str:
        found = self.ask(
            "query ($r: ID!) { runOrError(runId: $r) { __typename ... on Run { status } } }", r=run_id
        )
        return str(found["runOrError"]["status"])

    def ended(self, run_id: str) -> str:
        """Its status when it has ended."""
        eventually(f"run {run_id} ends", lambda: self.status(run_id) in ENDED)
        return self.status(run_id)

    def verdict_run(self, release: str, besides: str) -> str:
        """The run that a sensor began on a release, when it has ended."""

        def found() -> str | None:
            ids = [run for run in self.of_release(release) if run != besides]
            return ids[0] if len(ids) == 1 and self.status(ids[0]) in ENDED else None

        return str(eventually(f"a verdict of {release} follows", found))

    def process_of(self, run_id: str) -> int:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            found = eventually("the run says its process", lambda: run_process(instance, run_id))
        return int(found[0])

    def messages(self, run_id: str) -> str:
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            logs = instance.all_logs(run_id)
            said = [record.user_message or record.message or "" for record in logs]
            for record in logs:
                event = record.dagster_event
                if event and event.is_step_failure and event.step_failure_data.user_failure_data:
                    said.append(event.step_failure_data.user_failure_data.description or "")
        return "\n".join(said)

    def cells(self, release: str) -> dict[str, CellEvidence]:
        """All evidence there is; anything that is no evidence fails the test."""
        directory = self.store.release(release, "reference")
        paths = sorted((directory.path / "cells").iterdir()) if (directory.path / "cells").is_dir() else []
        assert all(path.suffix == ".json" and not path.name.startswith(".") for path in paths), paths
        return {path.stem: directory.read(path, CellEvidence) for path in paths}

    def cell_files(self, release: str) -> list[Path]:
        return sorted((self.store.release(release, "reference").path / "cells").glob("[!.]*.json"))

    def midway(self, release: str, run_id: str) -> None:
        """Until the run has some cells done, and others to do."""

        def some() -> bool:
            assert self.status(run_id) not in ENDED, self.messages(run_id)
            return len(self.cell_files(release)) >= 2

        eventually(f"run {run_id} is in the midst of its cells", some)

    def summary(self, release: str) -> ReleaseSummary:
        directory = self.store.release(release, "reference")
        return directory.read(directory.summary_path, ReleaseSummary)

    def ledger(self) -> list[str]:
        """Releases in the order of the ledger's entries; a ledger that does not hold fails the test."""
        found = verify(self.store, "reference")
        assert not found.problems, found.problems
        return [name.release_id for name in self.entries()]

    def entries(self) -> Any:
        from certification_pipeline.evidence.chain_dir import ChainDir

        return ChainDir(self.evidence, "reference").listing()[0]

    @classmethod
    @contextmanager
    def installed(cls, root: Path, *names: str, **more: Any) -> Iterator[Self]:
        """An installation with these processes, and nothing of it afterwards."""
        # Not below pytest's own directory: PostgreSQL runs as another user when we are root.
        temporary = Path(tempfile.mkdtemp(prefix="certify-robust-", dir="/tmp"))
        temporary.chmod(0o755)
        made = cls(root, temporary, **more)
        try:
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


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All three processes, for all tests here."""
    with Stack.installed(tmp_path_factory.mktemp("stack"), "webserver", "daemon", "code") as made:
        yield made
