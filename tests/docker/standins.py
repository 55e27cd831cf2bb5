"""The stack's images: ours as shipped, others pulled, or made here where no registry is reached."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, ImageNotFound

from tests.docker.engine import buildkit, client_with_buildkit
from tests.docker.files import DOCKER, service, variables
from tests.docker.programs import go_program

ROOT = DOCKER.parent
IMAGES = Path(__file__).parent / "images"
BASE = str(variables((DOCKER / "compose.yaml").read_text())["BASE"])
OURS = "certification-pipeline:tests"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_images(client: docker.DockerClient, scratch: Path) -> None:
    """Everything that compose.yaml names is there afterwards, under the tags it names."""
    if not _there(client, BASE):
        _base(client, scratch)
    # First what is ours: whatever is wrong with it is told before anything else is made.
    build_shipped("certification-pipeline:0.1.0")
    _build(IMAGES / "code.Dockerfile", OURS, ROOT / "tests")
    postgres, store = str(service("postgres")["image"]), str(service("store")["image"])
    if not _there(client, postgres):
        _build(IMAGES / "postgres.Dockerfile", postgres, IMAGES)
    if not _there(client, store):
        _store(store, scratch)


def _there(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except ImageNotFound:
        try:
            client.images.pull(tag)
        except APIError:
            return False
    return True


def _base(client: docker.DockerClient, scratch: Path) -> None:
    """Debian with Python, from the packages this machine installs its own from."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip(
            f"{BASE} cannot be pulled, and mmdebstrap, which would make one like it, is not installed"
        )
    tar = scratch / "base.tar"
    packages = "--include=python3,python3-venv,python3-pip,ca-certificates"
    trusted = f"--customize-hook=upload {CERTIFICATES} {CERTIFICATES}"
    subprocess.run(["mmdebstrap", "--variant=minbase", packages, trusted, "bookworm", tar], check=True)
    repository, tag = BASE.split(":")
    client.api.import_image_from_file(str(tar), repository=repository, tag=tag)
    tar.unlink()


def build_shipped(tag: str, **arguments: str) -> None:
    """``docker/Dockerfile`` with these build arguments, from where this machine has its packages."""
    words = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    for name, path in (("pip_conf", "/etc/pip.conf"), ("uv_toml", "/etc/uv/uv.toml")):
        if Path(path).exists():
            words.append(f"--secret=id={name},src={path}")
    _build(DOCKER / "Dockerfile", tag, ROOT, *words)


def _build(file: Path, tag: str, context: Path, *words: str) -> None:
    command = [client_with_buildkit(), "build", "--network=host", f"--file={file}", f"--tag={tag}", *words]
    done = subprocess.run(
        [*command, "--progress=plain", str(context)],
        env=buildkit(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def _store(tag: str, scratch: Path) -> None:
    name, version = tag.rsplit("/", maxsplit=1)[-1].split(":")
    program = go_program(name, f"github.com/versity/{name}/cmd/{name}", version)
    shutil.copy(program, scratch / name)
    shutil.copy(IMAGES / "store.Dockerfile", scratch)
    _build(scratch / "store.Dockerfile", tag, scratch)
