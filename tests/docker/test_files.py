"""What must agree between image, compose file, Dagster's configuration and code: no engine needed."""

from __future__ import annotations

import ast
import json
import re
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext

from certification_pipeline.notify.configured import PREFIX, NotifySettings
from certification_pipeline.orchestration.containers import SOCKET
from certification_pipeline.orchestration.executor import Kind
from certification_pipeline.settings import ENV_PREFIX, RunSettings, load_settings
from tests.docker.files import DOCKER, launcher, read, service, variables

ROOT = DOCKER.parent
OURS = ("code", "webserver", "daemon", "certify")
"""Services made of our image."""
OF_THE_RUN = {"release_id", "seed", "resume", "evidence_dir", "signing_key", "trigger"}
"""What a run is given otherwise: by its tag, its run config, the image, as a file, by what began it."""


OF_THE_LOCATION = {
    "CERTIFY_EXECUTOR",
    "CERTIFY_TIMEZONE",
    "CERTIFY_DAILY_CRON",
    "CERTIFY_WEEKLY_CRON",
    "CERTIFY_NIGHTLY_CRON",
}
"""Read where definitions are put together; a run loads the same ones."""


def _environment(name: str) -> dict[str, str]:
    return dict(service(name)["environment"])


def test_dagster_takes_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"env: (\w+)", (DOCKER / "dagster.yaml").read_text()):
        monkeypatch.setenv(name, "something")
    config, custom = dagster_instance_config(str(DOCKER), "dagster.yaml")
    assert custom is None
    assert config["run_monitoring"].get("max_resume_run_attempts", 0) == 0
    made = InstanceRef.from_dir(str(DOCKER)).run_launcher
    assert isinstance(made, DockerRunLauncher)
    assert made.networks == ["certification_pipeline"]


def test_what_is_not_about_containers_is_as_on_one_machine() -> None:
    alone = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    of_the_place = {"storage", "local_artifact_storage", "compute_logs", "run_launcher"}
    assert {k: v for k, v in read("dagster.yaml").items() if k not in of_the_place} == {
        k: v for k, v in alone.items() if k not in of_the_place
    }


def test_its_misspelt_configuration_is_refused(tmp_path: Path) -> None:
    text = (DOCKER / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(text.replace("cancel_timeout_seconds", "cancel_after_seconds"))
    with pytest.raises(Exception, match="cancel_after_seconds"):
        dagster_instance_config(str(tmp_path), "dagster.yaml")


def test_webserver_and_daemon_look_for_the_code_where_it_is() -> None:
    (origin,) = location_origins_from_yaml_paths([str(DOCKER / "workspace.yaml")])
    command = service("code")["command"]
    assert origin.host in read("compose.yaml")["services"]  # type: ignore[attr-defined]
    assert str(origin.port) == command[command.index("--port") + 1]  # type: ignore[attr-defined]
    module = import_module(command[command.index("--module-name") + 1])
    assert hasattr(module, command[command.index("--attribute") + 1])
    # A server that starts without its code would pass for a healthy one.
    assert "--lazy-load-user-code" not in command


def test_a_run_is_told_every_setting_there_is() -> None:
    told = set(launcher()["env_vars"])
    settings = {ENV_PREFIX + name.upper() for name in RunSettings.model_fields if name not in OF_THE_RUN}
    assert settings <= told
    assert {name for name in told if name.startswith(ENV_PREFIX)} == settings | OF_THE_LOCATION
    asked = set(re.findall(r"env: (\w+)", (DOCKER / "dagster.yaml").read_text()))
    assert asked <= told, "a run opens the same instance"


@pytest.mark.parametrize("name", OURS)
def test_every_variable_of_a_run_is_set_where_runs_are_launched(name: str) -> None:
    """The launcher takes values from its own environment and fails on one that is not there."""
    assert set(launcher()["env_vars"]) <= set(_environment(name))


def test_the_code_location_is_told_whom_to_tell_and_no_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told = _environment("code")
    names = {PREFIX + name.upper() for name in NotifySettings.model_fields}
    assert names | {"CERTIFY_INDEX_URL"} <= set(told)
    assert not names & set(launcher()["env_vars"])
    for name in names:
        monkeypatch.setenv(name, _expanded(str(told[name])))
    assert NotifySettings().mail_port is None


def test_what_compose_sets_by_default_is_what_the_code_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, given in _environment("code").items():
        if name.startswith(ENV_PREFIX):
            monkeypatch.setenv(name, _expanded(str(given)))
    settings = load_settings()
    assert settings.profile == "embedded"
    assert settings.rows is None
    assert settings.required == ()
    assert settings.push_to == "s3://certification/evidence"


def test_launcher_and_compose_name_the_same_network_and_volumes() -> None:
    compose = read("compose.yaml")
    assert launcher()["network"] == compose["networks"]["default"]["name"]
    mounted = {v.split(":")[0]: v.split(":")[1] for v in launcher()["container_kwargs"]["volumes"]}
    named = {made["name"]: key for key, made in compose["volumes"].items()}
    assert set(mounted) <= set(named)
    for name in OURS:
        for volume in service(name)["volumes"]:
            key, path = volume.split(":")[:2]
            full = compose["volumes"].get(key, {}).get("name")
            if full in mounted:
                assert mounted[full] == path, f"{name}: a run sees {key} elsewhere"


def test_runs_are_started_from_the_image_their_code_was_loaded_from() -> None:
    images = {service(name)["image"] for name in OURS}
    assert images == {_environment("code")["DAGSTER_CURRENT_IMAGE"]}
    (image,) = images
    assert import_module("certification_pipeline").__version__ in image


def test_only_who_starts_runs_holds_the_socket() -> None:
    holders = {
        name
        for name, each in read("compose.yaml")["services"].items()
        if any("docker.sock" in str(volume) for volume in each.get("volumes", []))
    }
    assert holders == {"webserver", "daemon"}


def test_with_steps_in_containers_a_run_has_the_socket_besides_and_nothing_else_is_replaced() -> None:
    overlay = {name: each["environment"] for name, each in read("steps.yaml")["services"].items()}
    assert set(overlay) == {"code", "webserver", "daemon"}
    assert {each["CERTIFY_EXECUTOR"] for each in overlay.values()} == {"docker"}, "who launches and who loads"
    context = json.loads(_expanded(overlay["code"]["DAGSTER_CONTAINER_CONTEXT"]))
    added = DockerContainerContext.create_from_config(context).container_kwargs
    assert not set(added) & set(launcher()["container_kwargs"]), (
        "Dagster would replace what the launcher says"
    )
    (mount,) = added["mounts"]
    assert mount == {"Type": "bind", "Source": "/var/run/docker.sock", "Target": SOCKET}
    assert added["group_add"] == [_expanded(group) for group in service("daemon")["group_add"]]


def test_without_them_a_run_is_one_process() -> None:
    for name in OURS:
        assert _environment(name)["CERTIFY_EXECUTOR"] == Kind.IN_PROCESS


def test_nothing_listens_to_the_outside_unless_it_is_told_to() -> None:
    published = {n: s["ports"] for n, s in read("compose.yaml")["services"].items() if "ports" in s}
    assert published == {"webserver": ["${CERTIFY_LISTEN:-127.0.0.1:3000}:3000"]}


def test_no_secret_has_a_default() -> None:
    defaults = variables((DOCKER / "compose.yaml").read_text())
    for name, default in defaults.items():
        if re.search(r"PASSWORD|SECRET", name) and "NOTIFY" not in name:
            assert default is None, name
    assert {"DAGSTER_POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY"} <= set(defaults)


def test_every_service_that_stays_has_a_health_check() -> None:
    for name, each in read("compose.yaml")["services"].items():
        assert "healthcheck" in each or "profiles" in each, name


def test_the_example_names_every_variable_and_its_default() -> None:
    shown = dict(
        line.removeprefix("#").strip().split("=", 1)
        for line in (DOCKER / "example.env").read_text().splitlines()
        if re.fullmatch(r"#?[A-Z_]+=.*", line)
    )
    assert shown == {
        name: default or ""
        for file in ("compose.yaml", "secrets.yaml", "steps.yaml")
        for name, default in variables((DOCKER / file).read_text()).items()
    }


def test_the_image_installs_what_the_lock_names_by_hash_and_no_tool_of_ours() -> None:
    whole = (ROOT / "requirements.lock").read_text().splitlines()
    image = (DOCKER / "requirements.lock").read_text().splitlines()
    assert set(image) <= set(whole)
    names = {line.split("==")[0] for line in image if "==" in line}
    assert {"dagster-postgres", "dagster-docker", "dagster-webserver", "obstore", "hatchling", "uv"} <= names
    assert not {"mypy", "ruff", "hypothesis", "pytest-xdist"} & names
    # Nothing but names: where packages come from is the builder's.
    for path in (*DOCKER.glob("*"), DOCKER / "requirements.lock"):
        if path.is_file():
            assert not re.search(r"index-url|://[\w.-]*pypi|extra-index", path.read_text()), path


def test_the_image_runs_as_nobody_in_particular() -> None:
    users = re.findall(r"^USER (\S+)", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert users[-1] == "${UID}", "a number: Kubernetes cannot tell a name from root"


def test_the_helper_scripts_of_the_image_parse_on_the_oldest_python() -> None:
    for path in DOCKER.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 11))


def _expanded(value: str) -> str:
    for name, default in variables(value).items():
        value = re.sub(rf"\$\{{{name}[^}}]*\}}", "given" if default is None else default, value)
    return value
