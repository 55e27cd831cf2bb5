"""Dagster as people run it, wherever its processes are: what people do with it, and what came of it.

Everything is asked over HTTP, as a browser does it, and read from the evidence. Where the processes live, how
one of them is killed and where the evidence lies is the matter of each kind: ``local.py``, ``compose.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.chain import verify
from certification_pipeline.orchestration.names import RELEASE_TAG
from tests.orchestration.stacks.size import SIZE

ROOT = Path(__file__).parents[3]
LOCATION = "certification"
PATIENCE = 900.0
"""Seconds for anything: a busy machine is no defect."""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
_BY_A_SENSOR = "dagster/sensor_name"


def eventually(what: str, condition: Callable[[], object], seconds: float = PATIENCE) -> Any:
    """What the condition answers as soon as it is true; these processes tell nobody but their files."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds} s in vain: {what}"
        time.sleep(0.2)
    return found


def certify(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command line on this machine."""
    return subprocess.run(
        [sys.executable, "-m", "certification_pipeline.cli", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def verified(evidence: Path, release: str) -> subprocess.CompletedProcess[str]:
    """What ``certify verify`` says of it outside of the installation."""
    return certify("verify", str(evidence), "--part", "--release-id", release)


class Stack(ABC):
    """One installation. Its processes are called ``webserver``, ``daemon`` and ``code``."""

    port: int
    """The webserver's, on 127.0.0.1."""

    # --- what each kind does in its own way

    @abstractmethod
    def start(self, *names: str) -> None:
        """These processes; back when they do their work."""

    @abstractmethod
    def kill(self, name: str) -> None:
        """As the kernel does when memory is short: that process and nobody else."""

    @abstractmethod
    def kill_worker(self, run_id: str) -> str:
        """SIGKILL to the process of a run. How run monitoring calls what it then does not find."""

    @abstractmethod
    def left_behind(self) -> list[str]:
        """Engines, services and workers of runs that have ended, and what they wrote for themselves alone."""

    @property
    @abstractmethod
    def store(self) -> EvidenceStore:
        """The evidence as it is now, on this machine and outside of the processes."""

    @abstractmethod
    def cells_done(self, release: str) -> int:
        """How many there are, without reading them."""

    @abstractmethod
    def tick_at(self, minute: str) -> None:
        """When the schedule ``every_minute`` is to begin a run, as ``HH:MM`` in UTC."""

    @abstractmethod
    def small_disk(self, release: str) -> AbstractContextManager[Path]:
        """The release's directory as a file system of its own of one megabyte; where this machine sees it."""

    # --- what people do in the UI

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            said = json.load(answer)
        assert not said.get("errors"), said
        return dict(said["data"])

    def answers(self) -> bool:
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

    def launch(
        self,
        release: str,
        job: str = "full_certification",
        *,
        config: Mapping[str, object] | None = SIZE,
        assets: Sequence[str] = (),
        checks: Mapping[str, str] | None = None,
        execution: Mapping[str, object] | None = None,
    ) -> str:
        """A job as the launchpad launches it, assets or checks (sink -> strategy) as a click on them does."""
        selector: dict[str, object] = {
            "repositoryName": "__repository__",
            "repositoryLocationName": LOCATION,
            "jobName": "__ASSET_JOB" if checks or assets else job,
        }
        if checks or assets:
            selector["assetSelection"] = [{"path": asset.split("/")} for asset in assets]
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": ["matrix", "reference", "postgres", sink]}, "name": strategy}
                for sink, strategy in (checks or {}).items()
            ]
        planned = config is not None and not checks and job != "verdict"
        launched = self.ask(
            "mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename "
            "... on LaunchRunSuccess { run { runId } } ... on PythonError { message } "
            "... on RunConfigValidationInvalid { errors { message } } } }",
            p={
                "selector": selector,
                "runConfigData": {
                    **({"ops": {"plan": {"config": dict(config or {})}}} if planned else {}),
                    **({"execution": {"config": execution}} if execution else {}),
                },
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
        """Run id -> status, of the runs with these tags (``certification__release`` for a slash)."""
        return {run["runId"]: run["status"] for run in self._runs(**tags)}

    def runs_of_people(self) -> set[str]:
        """The runs that no sensor began."""
        return {run["runId"] for run in self._runs() if _BY_A_SENSOR not in run["tags"]}

    def tags(self, run_id: str) -> dict[str, str]:
        (tags,) = (run["tags"] for run in self._runs() if run["runId"] == run_id)
        return dict(tags)

    def _runs(self, **tags: str) -> list[dict[str, Any]]:
        found = self.ask(
            "query ($f: RunsFilter) { runsOrError(filter: $f) "
            "{ ... on Runs { results { runId status tags { key value } } } } }",
            f={"tags": [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]},
        )["runsOrError"]["results"]
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

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

    def verdict_run(self, release: str, *besides: str) -> str:
        """The run that a sensor began on a release, when it has ended."""

        def found() -> str | None:
            ids = [run for run in self.of_release(release) if run not in besides]
            return ids[0] if len(ids) == 1 and self.status(ids[0]) in ENDED else None

        return str(eventually(f"a verdict of {release} follows", found))

    def messages(self, run_id: str) -> str:
        """Everything that the page of a run says."""
        found = self.ask(
            "query ($r: ID!) { logsForRun(runId: $r) { ... on EventConnection { events { "
            "... on MessageEvent { message } ... on ErrorEvent { error { message } } "
            "... on ExecutionStepFailureEvent { failureMetadata { description } } } } } }",
            r=run_id,
        )["logsForRun"]["events"]
        said = [event.get("message") for event in found]
        said += [(event.get("error") or {}).get("message") for event in found]
        said += [(event.get("failureMetadata") or {}).get("description") for event in found]
        return "\n".join(filter(None, said))

    def cells(self, release: str) -> dict[str, CellEvidence]:
        """All evidence there is; anything that is no evidence fails the test."""
        directory = self.store.release(release, "reference")
        paths = sorted((directory.path / "cells").iterdir()) if (directory.path / "cells").is_dir() else []
        assert all(path.suffix == ".json" and not path.name.startswith(".") for path in paths), paths
        return {path.stem: directory.read(path, CellEvidence) for path in paths}

    def midway(self, release: str, run_id: str) -> None:
        """Until the run has some cells done, and others to do."""

        def some() -> bool:
            assert self.status(run_id) not in ENDED, self.messages(run_id)
            return self.cells_done(release) >= 2

        eventually(f"run {run_id} is in the midst of its cells", some)

    def summary(self, release: str) -> ReleaseSummary:
        directory = self.store.release(release, "reference")
        return directory.read(directory.summary_path, ReleaseSummary)

    def ledger(self) -> list[str]:
        """Releases in the order of the ledger's entries; a ledger that does not hold fails the test."""
        store = self.store
        found = verify(store, "reference")
        assert not found.problems, found.problems
        return [name.release_id for name in ChainDir(store.root, "reference").listing()[0]]

    def leaves_nothing(self) -> None:
        try:
            eventually("nothing is left behind", lambda: not self.left_behind())
        except AssertionError:
            assert not self.left_behind()  # which names it
