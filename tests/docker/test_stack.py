"""What only containers can get wrong; the rest of the stack: tests/orchestration/robust and browser."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import docker
import pytest

from certification_pipeline.evidence.store import EvidenceStore
from tests.docker.standins import OURS
from tests.orchestration.stacks.compose import KEY, ComposeStack
from tests.orchestration.stacks.size import SIZE
from tests.orchestration.stacks.stack import certify, eventually

pytestmark = [pytest.mark.integration_live, pytest.mark.docker]

RELEASE = "contained"


class Certified(NamedTuple):
    """A run that has ended, and its evidence as it was then."""

    run_id: str
    tags: dict[str, str]
    evidence: Path
    public_key: Path


def _in_the_image(client: docker.DockerClient, command: str, **env: str) -> tuple[int, str]:
    container = client.containers.run(OURS, ["sh", "-c", command], environment=env, detach=True)
    try:
        code = int(container.wait()["StatusCode"])
        return code, container.logs().decode()
    finally:
        container.remove(force=True)


@pytest.fixture(scope="module")
def certified(compose_stack: ComposeStack, tmp_path_factory: pytest.TempPathFactory) -> Certified:
    run = compose_stack.launch(RELEASE, config={**SIZE, "routes": ["postgres_to_sqlite"]})
    assert compose_stack.ended(run) == "SUCCESS", compose_stack.messages(run)
    outside = tmp_path_factory.mktemp("outside")
    compose_stack.store.root.rename(outside / "evidence")
    public = outside / "signing.pub"
    public.write_text(compose_stack.certify("keys", "export", KEY))
    return Certified(run, compose_stack.tags(run), outside / "evidence", public)


def test_a_location_that_does_not_import_is_not_healthy(images: docker.DockerClient) -> None:
    """With Dagster's own check beside it, which is content with the very same server."""
    serve = "dagster code-server start -h 0.0.0.0 -p 4000 -m certification_pipeline.definitions & "
    answers = "until dagster api grpc-health-check -p 4000 2>/dev/null; do sleep 1; done; echo answers; "
    check = "python /opt/dagster/healthy.py code"
    code, said = _in_the_image(images, serve + answers + check, CERTIFY_ROWS="many")
    assert "answers" in said
    assert code == 1, said
    assert "CERTIFY_ROWS" in said
    assert _in_the_image(images, serve + answers + check)[0] == 0
    # As the stack starts it there is no such server at all: it ends, and says why.
    shipped = "exec dagster api grpc -h 0.0.0.0 -p 4000 -m certification_pipeline.definitions"
    code, said = _in_the_image(images, shipped, CERTIFY_ROWS="many")
    assert code != 0
    assert "CERTIFY_ROWS" in said


def test_a_secret_file_that_cannot_be_read_is_named(images: docker.DockerClient) -> None:
    missing = {"AWS_SECRET_ACCESS_KEY_FILE": "/run/secrets/none"}
    code, said = _in_the_image(images, "true", **missing)
    assert code == 2
    assert "AWS_SECRET_ACCESS_KEY_FILE: /run/secrets/none cannot be read by user 10001" in said


def test_nothing_runs_as_root_or_with_capabilities(compose_stack: ComposeStack) -> None:
    for name in ("code", "webserver", "daemon"):
        code, said = compose_stack.container(name).exec_run(
            ["sh", "-c", "id -u; grep CapEff /proc/self/status"]
        )
        assert code == 0
        assert said.split() == [b"10001", b"CapEff:", b"0000000000000000"]


def test_secrets_that_come_as_files_are_in_no_containers_settings(compose_stack: ComposeStack) -> None:
    """That they arrive, everything else here shows: nothing works without them."""
    for name in ("postgres", "store", "code", "webserver", "daemon"):
        shown = str(compose_stack.container(name).attrs)
        assert "_FILE=/run/secrets/" in shown
        for secret in compose_stack.secrets.values():
            assert secret not in shown, name


def test_a_run_has_a_container_that_is_gone_when_it_has_ended(
    compose_stack: ComposeStack, certified: Certified
) -> None:
    assert certified.tags["dagster/image"] == OURS
    container = certified.tags["docker/container_id"]
    gone = lambda: container not in {each.id for each in compose_stack.workers()}  # noqa: E731
    eventually("its container is removed", gone)


def test_what_is_signed_in_a_container_verifies_outside_by_its_public_key(
    certified: Certified, tmp_path: Path
) -> None:
    def verified(key: Path) -> subprocess.CompletedProcess[str]:
        words = ("verify", str(certified.evidence), "--part", "--release-id", RELEASE, "--key", str(key))
        return certify(*words)

    honest = verified(certified.public_key)
    assert honest.returncode == 0, honest.stdout + honest.stderr
    another = tmp_path / "another.pem"
    assert certify("keys", "new", str(another)).returncode == 0
    (tmp_path / "another.pub").write_text(certify("keys", "export", str(another)).stdout)
    assert verified(tmp_path / "another.pub").returncode == 1, "signed, and by somebody else"


def test_its_chain_is_in_the_store_and_verifies_from_there(
    compose_stack: ComposeStack, certified: Certified, tmp_path: Path
) -> None:
    key = f"push-{certified.run_id}"
    pushed = eventually("a push", lambda: list(compose_stack.runs(dagster__run_key=key)))[0]
    assert compose_stack.ended(pushed) == "SUCCESS", compose_stack.messages(pushed)
    away = {
        "AWS_ENDPOINT_URL": f"http://{compose_stack.address('store')}:7070",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "certification",
        "AWS_SECRET_ACCESS_KEY": compose_stack.secrets["AWS_SECRET_ACCESS_KEY"],
    }
    pulled = certify("pull", "s3://certification/evidence", str(tmp_path / "pulled"), **away)
    assert pulled.returncode == 0, pulled.stderr
    assert RELEASE in EvidenceStore(tmp_path / "pulled").releases()
    checked = certify("verify", str(tmp_path / "pulled"), "--part", "--release-id", RELEASE)
    assert checked.returncode == 0, checked.stdout
    wrong = certify(
        "store", "status", "s3://certification/evidence", **{**away, "AWS_SECRET_ACCESS_KEY": "another"}
    )
    assert wrong.returncode == 3, "nobody can tell how chains stand that are not shown"
    assert away["AWS_SECRET_ACCESS_KEY"] not in wrong.stdout + wrong.stderr


@pytest.mark.parametrize("name", ["daemon", "webserver", "code"])
def test_a_service_whose_process_dies_comes_back_by_itself(compose_stack: ComposeStack, name: str) -> None:
    container = compose_stack.container(name)
    # Everything but the container's first process, which ends when its child has.
    container.exec_run(["sh", "-c", "kill -9 -1"])

    def again() -> bool:
        container.reload()
        state = container.attrs["State"]
        return bool(container.attrs["RestartCount"] and state.get("Health", {}).get("Status") == "healthy")

    eventually(f"{name} is healthy again", again)
    eventually("the code location is loaded", compose_stack.loaded)
