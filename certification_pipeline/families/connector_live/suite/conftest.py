"""One parameter a connector; connector, item and marker of each test as properties of its JUnit entry."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from certification_pipeline.catalog.checklist import TestMarker
from certification_pipeline.evidence.connectors import Connector
from certification_pipeline.families.connector_live.context import Context, read_context, read_endpoints
from certification_pipeline.families.connector_live.suite.probing import Probes
from certification_pipeline.families.connector_live.suite.running import Runs, opened

_CONTEXT = pytest.StashKey[Context]()


def pytest_configure(config: pytest.Config) -> None:
    """Read what to test, once."""
    config.stash[_CONTEXT] = read_context()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``connector`` is run for each."""
    if "connector" in metafunc.fixturenames:
        connectors = metafunc.config.stash[_CONTEXT].connectors
        metafunc.parametrize("connector", connectors, ids=[each.name for each in connectors])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Said before a test starts, so that one whose fixture breaks is attributed as well."""
    for item in items:
        parameters = (
            item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        )
        connector = parameters.get("connector")
        if isinstance(connector, Connector):
            item.user_properties.append(("connector", connector.name))
        checklist = item.get_closest_marker("item")
        if checklist is not None:
            item.user_properties.append(("item", str(checklist.args[0])))
        marker = next((each for each in TestMarker if item.get_closest_marker(each.value)), None)
        if marker is not None:
            item.user_properties.append(("marker", marker.value))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """JUnit writes an unexpected pass of an xfail as a pass: the property says what it was."""
    report = yield
    if hasattr(report, "wasxfail"):
        report.user_properties.append(("xfail", "true"))
    return report


@pytest.fixture(scope="session")
def context(pytestconfig: pytest.Config) -> Context:
    """What the run is about."""
    return pytestconfig.stash[_CONTEXT]


@pytest.fixture(scope="session", autouse=True)
def probes(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probes]:
    """Conversations with the engine that need no service; begun at once, for they take a while."""
    made = Probes(context, tmp_path_factory.mktemp("probes"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def runs(context: Context, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Loads of the example manifests, on the services the family started."""
    with opened(context, read_endpoints(), tmp_path_factory.mktemp("runs")) as made:
        yield made
