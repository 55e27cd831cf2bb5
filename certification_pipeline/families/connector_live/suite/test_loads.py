"""What a connector does with rows: its example manifest is run, and the oracle judges every load."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.catalog.manifest import Manifest, read_manifest
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.evidence.connectors import Connector
from certification_pipeline.families.connector_live import pages
from certification_pipeline.families.connector_live.context import Context
from certification_pipeline.families.connector_live.credentials import (
    LIVE_PROVIDER,
    credential_variable,
    needs_no_credential,
)
from certification_pipeline.families.connector_live.suite.running import Run, Runs
from certification_pipeline.families.connector_live.suite.skipping import inapplicable, untested

_BROAD = 20

Examples = list[tuple[Manifest, Path]]


@pytest.fixture
def examples(request: pytest.FixtureRequest, connector: Connector, context: Context, runs: Runs) -> Examples:
    """The connector's manifests whose services are up; without one the item is not tested."""
    if context.docs_dir is None:
        untested(request, "there is no documentation, and so no example", "certify connectors --docs-dir DIR")
    found: Examples = []
    for file in pages.manifests_of(context.docs_dir, connector.name, sink="sink" in connector.roles):
        try:
            manifest = read_manifest(file, context.catalog)
        except CatalogError as error:
            first = error.problems[0]
            pytest.fail(f"{file.name}:{first.line}: {first.field}: {first.message}", pytrace=False)
        down = [each for each in (manifest.source.system, manifest.sink.system) if not runs.served(each)]
        if down:
            remedy = " ".join(context.catalog.systems[each].remedy for each in down)
            untested(request, f"{file.name} needs {', '.join(down)}", remedy)
        found.append((manifest, file))
    if not found:
        pytest.fail(f"no example manifest of {connector.name}", pytrace=False)
    return found


@pytest.mark.integration
@pytest.mark.item("example_manifest")
def test_example_is_loaded_exactly(examples: Examples, runs: Runs, context: Context) -> None:
    """Its first load ends in success, and the sink holds every row of the source, exactly."""
    for run in _all(examples, runs, context.rows):
        assert not run.first, run.first[0]
        assert run.rows > 0, "no row arrived, so nothing was proven"


@pytest.mark.integration
@pytest.mark.item("integration_profile")
def test_changes_and_idle_rerun_are_exact(examples: Examples, runs: Runs, context: Context) -> None:
    """A round of inserts, updates and deletes, then a rerun over nothing new: both judged by the oracle."""
    for run in _all(examples, runs, context.rows):
        assert run.loads == _LOADS, (
            f"only {run.loads} of {_LOADS} loads were reached: {[*run.first, *run.later]}"
        )
        problems = [*run.first, *run.later]
        assert not problems, problems[0]


@pytest.mark.integration
@pytest.mark.item("credential_model")
def test_password_is_not_written_down(examples: Examples, runs: Runs, context: Context) -> None:
    """After the loads no file of sink or state holds a password of either DSN."""
    for run in _all(examples, runs, context.rows):
        assert run.loads, "nothing was loaded, so nothing could have been written down"
        assert not run.leaked, f"a password stands in {', '.join(run.leaked)}"


@pytest.mark.integration_live
@pytest.mark.item("live_tests")
def test_example_on_the_live_system(
    request: pytest.FixtureRequest, connector: Connector, context: Context
) -> None:
    """The same loads on a server that a person named; what was started here does not count."""
    variable = credential_variable(connector.system)
    request.node.user_properties.append(("credential_variable", variable or ""))
    if variable is None:
        if needs_no_credential(connector.system):
            inapplicable(request, f"{connector.system} is a library and a path: there is no vendor to reach")
        untested(request, f"no provider reaches a live {connector.system} yet", "write one: harness/services")
    runs: Runs = request.getfixturevalue("runs")
    if not runs.served(connector.system) or runs.provider(connector.system) != LIVE_PROVIDER:
        page = f"docs/{pages.FOLDER}/{connector.name}.md#live-tests"
        untested(request, f"{variable} is not set", f"set {variable}; {page} says how to get it")
    for run in _all(request.getfixturevalue("examples"), runs, context.rows):
        problems = [*run.first, *run.later]
        assert not problems, problems[0]
        assert run.loads == _LOADS
        assert run.rows > 0


@pytest.mark.nightly
@pytest.mark.item("integration_profile")
def test_example_with_many_rows(examples: Examples, runs: Runs, context: Context) -> None:
    """The same once more with twenty times the rows: more than one batch, page or file."""
    for run in _all(examples, runs, context.rows * _BROAD):
        problems = [*run.first, *run.later]
        assert not problems, problems[0]
        assert run.rows > context.rows


_LOADS = 3


def _all(examples: Examples, runs: Runs, rows: int) -> list[Run]:
    # Keyed by file: a manifest holds a mapping and cannot be a key itself.
    return [runs.of(file, rows) for _, file in examples]
