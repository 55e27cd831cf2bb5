"""What a connector does without any service: answers, refuses, keeps secrets, needs no other's packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.catalog.manifest import ManifestEnd
from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.evidence.connectors import Connector
from certification_pipeline.families.connector_live import pages
from certification_pipeline.families.connector_live.context import Context
from certification_pipeline.families.connector_live.packages import blocked
from certification_pipeline.families.connector_live.suite.probing import Probes, leaks
from certification_pipeline.families.connector_live.suite.skipping import untested
from certification_pipeline.harness.engines.protocol import DataObject, Error
from certification_pipeline.harness.workload.spec import LogicalType

pytestmark = pytest.mark.unit

_UNREACHABLE = (FailureCategory.CONNECTIVITY, FailureCategory.AUTHENTICATION, FailureCategory.CONFIGURATION)


@pytest.mark.item("offline_tests")
def test_engine_answers_without_any_service(probes: Probes, connector: Connector, context: Context) -> None:
    """`describe` is answered by the engine that is certified, and the process ends by itself with 0."""
    said = probes.offline(connector)
    assert said.described is not None, "the engine did not answer `describe`"
    assert said.described.engine == context.engine
    assert said.exit_code == 0, f"the engine ended with {said.exit_code}"


@pytest.mark.item("offline_tests")
def test_unreachable_service_is_a_clean_error(probes: Probes, connector: Connector) -> None:
    """In each role: one `error` of a category that a person can act on; neither a crash nor a success."""
    said = probes.offline(connector)
    assert len(said.answers) == len(connector.roles), f"{len(said.answers)} answers to {connector.roles}"
    for role, answer in zip(connector.roles, said.answers, strict=True):
        assert isinstance(answer, Error), f"as {role} it claims success where nothing answers"
        assert answer.category in _UNREACHABLE, f"as {role}: {answer.category}: {answer.message}"


@pytest.mark.item("offline_tests")
def test_every_logical_type_has_a_rule(connector: Connector, context: Context) -> None:
    """What each type of the workload may become in the sink is declared before anything is loaded."""
    if "sink" not in connector.roles:
        return
    declared = set(context.catalog.types.get(connector.system, {}))
    for route in pages.claims_of(connector.name, context.catalog):
        missing = [each.value for each in LogicalType if each.value not in declared | set(route.types)]
        if route.sink == connector.system and route.source == "postgres":
            assert not missing, f"{route.source} to {route.sink}: no rule for {', '.join(missing)}"


@pytest.mark.item("credential_model")
def test_password_is_never_repeated(probes: Probes, connector: Connector) -> None:
    """A canary password in the connector's own DSN comes back neither in events nor in logs."""
    said = probes.offline(connector)
    assert said.answers, "the engine did not answer, so nothing is known of what it would have said"
    # Told apart first: an assertion would print what it compares.
    leaked = leaks(said.raw, probes.canary(connector))
    assert not leaked, "the engine repeats the password it was given"


@pytest.mark.item("credential_model")
def test_password_is_not_shown_by_our_own_models(probes: Probes, connector: Connector) -> None:
    """Neither a request nor a manifest shows a DSN when it is printed."""
    canary = probes.canary(connector)
    dsn = f"postgresql://certify:{canary}@127.0.0.1:1/x"
    end = ManifestEnd(system=connector.system, dsn=dsn, object="t")
    shown = [end, DataObject(system=connector.system, dsn=dsn, name="t"), *probes.loads(connector)]
    kinds = {type(each).__name__ for each in shown if canary in repr(each)}
    assert not kinds, f"printed with its password: {', '.join(sorted(kinds))}"


@pytest.mark.item("credential_model")
def test_example_takes_its_credentials_from_the_environment(
    request: pytest.FixtureRequest, connector: Connector, context: Context
) -> None:
    """No DSN of a server is written into the example: each is a variable, and a missing one is named."""
    if context.docs_dir is None:
        untested(request, "there is no documentation here", "certify connectors --docs-dir DIR")
    files = pages.manifests_of(context.docs_dir, connector.name, sink="sink" in connector.roles)
    assert files, "there is no example manifest to look at"
    for file in files:
        text = Path(file).read_text(encoding="utf-8")
        for line in (each.strip() for each in text.splitlines() if each.strip().startswith("dsn:")):
            assert "://" not in line, f"{file.name} writes out a connection: {line.partition('://')[0]}://…"


@pytest.mark.item("optional_dependency_smoke")
def test_starts_without_packages_of_others(probes: Probes, connector: Connector, context: Context) -> None:
    """With every optional package that is not this connector's blocked, it answers and opens its system."""
    names = blocked(context.engine, connector.system)
    assert names, "nothing is blocked: the check could not fail"
    said = probes.isolated(connector)
    assert said.described is not None, f"does not start without {', '.join(sorted(names))}: {_last(said.raw)}"
    assert len(said.answers) == len(connector.roles), f"broke down: {_last(said.raw)}"
    for answer in said.answers:
        assert isinstance(answer, Error)
        assert answer.category in _UNREACHABLE, f"{answer.category}: {answer.message}"


@pytest.mark.item("optional_dependency_smoke")
def test_the_block_holds(
    request: pytest.FixtureRequest, probes: Probes, connector: Connector, context: Context
) -> None:
    """The control: under the same block the engine's own interpreter cannot import what is blocked."""
    if "python" not in Path(context.command[0]).name:
        untested(request, "the engine is no Python program", "check its dependencies by its own means")
    names = sorted(blocked(context.engine, connector.system))
    statement = "\n".join(
        [
            "import json",
            *(
                f"try: import {name}\nexcept ModuleNotFoundError as e: assert 'blocked' in str(e)"
                for name in names
            ),
            "import sys; sys.exit(7 if any(name in sys.modules for name in " + repr(names) + ") else 0)",
        ]
    )
    assert probes.python(connector, statement) == 0, f"one of {', '.join(names)} could be imported"


def _last(raw: str) -> str:
    lines = [line for line in raw.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
