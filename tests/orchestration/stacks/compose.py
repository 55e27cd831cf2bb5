"""The compose stack as a person starts it: every process and every run in a container of its own."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError

from certification_pipeline.evidence.files import is_temporary
from certification_pipeline.evidence.store import EvidenceStore
from tests.docker.engine import compose
from tests.docker.files import DOCKER
from tests.docker.standins import OURS
from tests.orchestration.stacks.disk import small_disk
from tests.orchestration.stacks.ports import free_port
from tests.orchestration.stacks.size import NARROWED
from tests.orchestration.stacks.stack import ENDED, PATIENCE, Stack, eventually

PROJECT = "certification_pipeline"
EVIDENCE = f"{PROJECT}_evidence"
ROLE = f"{PROJECT}.role=run"
STEP = "dagster/step_key"
KEY = "/keys/signing.pem"
USER = 10001
END_OF_TAR = bytes(1024)

OVERRIDE = """\
services:
  code:
    command: [dagster, api, grpc, --host, 0.0.0.0, --port, "4000",
              --module-name, tests.orchestration.stacks.location, --attribute, defs]
"""
"""The shipped stack, but for what it certifies, and a schedule that does not wait for the night."""


class ComposeStack(Stack):
    """Up from ``up`` to ``down``; signs, and takes its secrets from files."""

    def __init__(self, client: docker.DockerClient, folder: Path) -> None:
        self.client, self.folder = client, folder
        self.port = free_port()
        self.secrets = {
            "DAGSTER_POSTGRES_PASSWORD": "tests-only-1 $with 'what' shells \"like\"",
            "AWS_SECRET_ACCESS_KEY": "tests-only-2",
            "CERTIFY_SIGNING_KEY_PASSPHRASE": "tests-only-3",
        }
        (folder / "secrets").mkdir(mode=0o755)
        for name, secret in self.secrets.items():
            (folder / "secrets" / name.lower()).write_text(f"{secret}\n")
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        lines = {
            # Compose asks for both; the files count.
            "DAGSTER_POSTGRES_PASSWORD": "in-a-file",
            "AWS_SECRET_ACCESS_KEY": "in-a-file",
            "SECRETS": str(folder / "secrets"),
            "DOCKER_SOCKET": where,
            "DOCKER_GID": str(Path(where).stat().st_gid),
            "CERTIFY_LISTEN": f"127.0.0.1:{self.port}",
            "CERTIFY_TAG": OURS.partition(":")[2],
            "CERTIFY_SIGNING_KEY_FILE": KEY,
            **NARROWED,
        }
        (folder / "env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        (folder / "override.yaml").write_text(OVERRIDE)
        files = (DOCKER / "compose.yaml", DOCKER / "secrets.yaml", folder / "override.yaml")
        self._compose = [*compose(), f"--env-file={folder / 'env'}", *(f"--file={file}" for file in files)]
        self._reader: Any = None

    def compose(self, *words: str) -> str:
        """One command of compose; its standard output."""
        done = subprocess.run([*self._compose, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def up(self) -> None:
        """As ``make docker-up``, on images that are there and with a key of its own."""
        self.certify("keys", "new", KEY)
        self._up()
        self._reader = self.client.containers.run(
            OURS, ["sleep", "infinity"], volumes=[f"{EVIDENCE}:/evidence:ro"], init=True, detach=True
        )

    def _up(self, *names: str) -> None:
        self.compose("up", "--no-build", "--detach", "--wait", f"--wait-timeout={PATIENCE:.0f}", *names)

    @contextmanager
    def besides(self, file: str) -> Iterator[None]:
        """With one more file of ``docker/``, as an operator adds it; afterwards as before."""
        before = list(self._compose)
        self._compose.append(f"--file={DOCKER / file}")
        try:
            self._up()
            eventually("the code location is loaded", self.loaded)
            yield
        finally:
            self._compose[:] = before
            self._up()
            eventually("the code location is loaded", self.loaded)

    def certify(self, *words: str) -> str:
        """The command line in a container, as the documentation says."""
        return self.compose("run", "--rm", "--no-TTY", "certify", *words)

    def down(self) -> None:
        """Nothing is left afterwards, whatever happened."""
        # Who starts runs goes first: a run that was cut off is followed by its verdict, one more container.
        self.compose("stop", "--timeout=20", "daemon", "webserver")
        for container in [*self.workers(), *([self._reader] if self._reader else [])]:
            with suppress(APIError):  # one that ends by itself is removed already
                container.remove(force=True)
        self.compose("--profile=tools", "down", "--volumes", "--remove-orphans", "--timeout=20")

    # --- processes

    def start(self, *names: str) -> None:
        self._up("--no-deps", *names)
        eventually("the code location is loaded", self.loaded)

    def kill(self, name: str) -> None:
        self.compose("kill", "--signal=KILL", name)

    def kill_worker(self, run_id: str) -> str:
        container = eventually(f"the container of {run_id}", lambda: self.worker(run_id))
        container.kill()
        return "Could not find container with ID|Container status is"

    def workers(self) -> list[Any]:
        """Containers of runs, and of their steps."""
        # Each is asked about once more after it was listed: it may have removed itself in between.
        return list(self.client.containers.list(all=True, filters={"label": ROLE}, ignore_removed=True))

    def worker(self, run_id: str) -> Any:
        return next((c for c in self._of(run_id) if STEP not in c.labels), None)

    def steps(self, run_id: str) -> dict[str, Any]:
        """Step -> its container, of those that are there."""
        return {c.labels[STEP]: c for c in self._of(run_id) if STEP in c.labels}

    def _of(self, run_id: str) -> list[Any]:
        return [each for each in self.workers() if each.labels["dagster/run_id"] == run_id]

    def left_behind(self) -> list[str]:
        ended = [
            f"container {each.name}"
            for each in self.workers()
            if self.status(each.labels["dagster/run_id"]) in ENDED
        ]
        return ended + [str(path) for path in self.store.root.rglob("*") if is_temporary(path.name)]

    def address(self, service: str) -> str:
        """Of a container, as this machine reaches it."""
        container = self.container(service)
        return str(container.attrs["NetworkSettings"]["Networks"][PROJECT]["IPAddress"])

    def container(self, service: str) -> Any:
        labels = [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]
        (found,) = self.client.containers.list(filters={"label": labels})
        return found

    # --- evidence

    @property
    def store(self) -> EvidenceStore:
        """Copied out of its volume, anew each time, into one place."""
        place = self.folder / "copied"
        shutil.rmtree(place, ignore_errors=True)
        packed = eventually("all evidence is read", self._packed)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(place, filter="data")
        return EvidenceStore(place / "evidence")

    def _packed(self) -> bytes:
        """All of it, or nothing: a busy engine loses the end of what a command printed."""
        command = ["tar", "-C", "/", "-cf", "-", "evidence"]
        code, packed = self._reader.exec_run(command, stderr=False)
        # 1: a file was changed while it was read; runs go on.
        return packed if code in (0, 1) and packed.endswith(END_OF_TAR) else b""

    def cells_done(self, release: str) -> int:
        listed = f"ls /evidence/releases/{release}/reference/cells 2>/dev/null | wc -l"
        return int(self._reader.exec_run(["sh", "-c", listed]).output or 0)

    def tick_at(self, minute: str) -> None:
        (self.folder / "minute").write_text(minute)
        self.compose("cp", str(self.folder / "minute"), "code:/minute")

    @contextmanager
    def small_disk(self, release: str) -> Iterator[Path]:
        """Below the volume's own directory: containers that are started afterwards have it, too."""
        place = Path(self.client.volumes.get(EVIDENCE).attrs["Mountpoint"])
        if not os.access(place, os.W_OK):
            pytest.skip(f"only root of the engine's machine can mount a file system below {place}")
        with small_disk(place / "releases" / release, f"size=1m,uid={USER},gid={USER},mode=755") as mounted:
            self._reader.restart(timeout=1)
            for name in ("code", "webserver"):
                self.container(name).restart()
                self.start(name)
            yield mounted
