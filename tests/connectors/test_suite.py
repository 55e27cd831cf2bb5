"""The shipped suite on the reference engine: green as it is; with planted defects red, each where it is.

Four connectors a run, each with a defect of its own: what is red must be exactly that.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.connectors import JUNIT, ConnectorCertification
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import environment, producer, stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.connector_live.produce import (
    ConnectorRun,
    SuiteStopped,
    examine,
    produce,
)
from certification_pipeline.families.plan import build_plan
from certification_pipeline.families.work import Work
from certification_pipeline.gates.families import verification_of
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.harness.engines.environment import PreparedEngine, prepare
from certification_pipeline.harness.services.provider import Availability
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.workshop import open_workshop

pytestmark = pytest.mark.integration

DOCS = Path(__file__).parents[2] / "docs"
SYSTEMS = ("duckdb", "parquet", "postgres", "sqlite")


def plan_of(release_id: str) -> CertificationPlan:
    return build_plan(
        load_catalog(),
        "reference",
        "embedded",
        rows=100,
        seed=1,
        release_id=release_id,
        run_id="run",
        subject=Subject(engine="reference", version="0.1.0", artifact_digest="sha256:" + "0" * 64),
        availability=dict.fromkeys(SYSTEMS, Availability(True, "here")),
        producer=producer(),
        environment=environment(),
        scenarios=("batch.empty",),
        strategies=("full_refresh",),
    )


@dataclass
class House:
    """One workshop for all tests; each has its own evidence and its own copy of the documentation."""

    shop: Workshop
    root: Path

    def work(self, release_id: str = "r1", **changes: Any) -> Work:
        store = EvidenceStore(self.root / "evidence")
        directory = store.release(release_id, "reference")
        if not directory.plan_path.exists():
            made = plan_of(release_id)
            directory.seal_plan(made, markdown(made))
        plan = read_plan(directory).plan
        return Work(plan, store, replace(self.shop, **changes), "run")

    def docs(self, **edits: Callable[[str], str]) -> Path:
        """A copy of the documentation, pages edited by system."""
        checkout = self.root / "checkout"
        shutil.copytree(DOCS, checkout / "docs")
        (checkout / "CHANGELOG.md").write_text("# Changelog\n")
        for system, edit in edits.items():
            page = checkout / "docs" / "connectors" / "reference" / f"{system}.md"
            before = page.read_text()
            page.write_text(edit(before))
            assert page.read_text() != before
        return checkout / "docs"

    def engine(self, *faults: str) -> dict[str, PreparedEngine]:
        sound = self.shop.engines["reference"]
        command = (sys.executable, str(Path(__file__).with_name("proxy.py")))
        return {"reference": PreparedEngine(command, {**sound.env, "FAULTS": ",".join(faults)}, "")}


@pytest.fixture(scope="session")
def shop() -> Iterator[Workshop]:
    catalog = load_catalog()
    with open_workshop(
        catalog,
        run_id="connector-tests",
        systems=SYSTEMS,
        engines={},
        on_event=lambda _: None,
        cancel=threading.Event(),
    ) as opened:
        yield replace(
            opened, engines={"reference": prepare("reference", catalog.engines["reference"].driver)}
        )


@pytest.fixture
def house(shop: Workshop, tmp_path: Path) -> House:
    return House(shop, tmp_path)


def red(made: ConnectorCertification) -> dict[str, list[str]]:
    """System -> required items that are neither passed nor inapplicable."""
    return {
        connector.system: sorted(
            item.value
            for item, capability in made.connectors[connector.name].items()
            if capability.required and capability.status not in (Outcome.PASSED, Outcome.INAPPLICABLE)
        )
        for connector in made.scope
    }


def without(section: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"^## {section}\n.*?(?=^## |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def green(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A release whose connectors were tested and found green."""
    made = House(shop, tmp_path_factory.mktemp("green"))
    assert produce(made.work(), ConnectorRun(docs_dir=made.docs())).passed
    return made


def test_the_reference_engine_is_green_and_verifiable(green: House) -> None:
    directory = green.work().directory
    made = directory.read("connector_certification.json", ConnectorCertification)
    assert red(made) == {system: [] for system in SYSTEMS}
    assert made.documents["docs/connectors/reference/duckdb.md"].startswith("sha256:")
    row = made.connectors["reference/duckdb"]
    assert row[ChecklistItem.LIVE_TESTS].status is Outcome.UNTESTED
    assert len(row[ChecklistItem.EXAMPLE_MANIFEST].tests) == 3
    found = verification_of(directory, "connector_certification.json", stamp("later"))
    assert found.outcome is Outcome.PASSED, found.because
    assert not found.problems


def test_no_secret_and_no_host_is_in_the_evidence(green: House, shop: Workshop) -> None:
    from urllib.parse import urlsplit

    directory = green.work().directory.path
    password = urlsplit(shop.services["postgres"].source().dsn).password
    assert password
    for path in (directory / "connector_certification.json", directory / JUNIT):
        assert password not in path.read_text()
        assert "canary-" not in path.read_text()
    assert f'hostname="{os.uname().nodename}"' not in (directory / JUNIT).read_text()


@pytest.mark.nightly
def test_a_defect_in_a_document_is_red_where_it_is(green: House, house: House) -> None:
    shutil.copytree(green.root / "evidence", house.root / "evidence")
    published = house.root / "evidence" / "published" / "reference.json"
    published.parent.mkdir()
    published.write_text('{"release_id": "r1"}')
    # What publishing wrote on the page that r1 was tested with: it changes with what is granted.
    page = (DOCS / "connectors" / "reference" / "sqlite.md").read_text()
    before = re.findall(r"^- Level: (.+)$", page, re.MULTILINE)[0]
    docs = house.docs(
        duckdb=without("Troubleshooting"),
        parquet=lambda text: text.replace(
            "there is no vendor", "set CERTIFY_PARQUET_DSN; there is no vendor"
        ).replace("There is no vendor", "Set `CERTIFY_PARQUET_DSN`. There is no vendor"),
        postgres=lambda text: re.sub(r"^\| NotImplemented .*\n", "", text, count=1, flags=re.MULTILINE),
        sqlite=lambda text: text.replace(f"- Level: {before}", "- Level: production-certified"),
    )
    made, _ = examine(house.work("r2"), ConnectorRun(docs_dir=docs))
    assert red(made) == {
        "duckdb": ["documentation_page"],
        "parquet": ["live_instructions"],
        "postgres": ["known_limitations"],
        "sqlite": ["changelog_entry"],
    }
    assert made.previous_release == "r1"
    said = {blocker.code: blocker.message for blocker in made.blockers}
    assert "Troubleshooting" in said["connector.reference/duckdb.documentation_page.not_passed"]
    assert "CERTIFY_PARQUET_DSN" in said["connector.reference/parquet.live_instructions.not_passed"]
    assert (
        f"reference/sqlite: {before} → production-certified"
        in said["connector.reference/sqlite.changelog_entry.not_passed"]
    )


@pytest.mark.nightly
def test_a_defect_in_the_engine_is_red_where_it_is(house: House) -> None:
    engines = house.engine("leak", "crash_category", "foreign_package", "written_down")
    made, junit = examine(house.work(engines=engines), ConnectorRun(docs_dir=house.docs()))
    assert red(made) == {
        "duckdb": ["offline_tests"],
        "parquet": ["optional_dependency_smoke"],
        "postgres": ["credential_model"],
        "sqlite": ["credential_model"],
    }
    assert junit
    assert b"canary-" not in junit


@pytest.mark.nightly
def test_a_defect_in_example_or_load_is_red_where_it_is(house: House) -> None:
    docs = house.docs()
    examples = docs / "connectors" / "examples"
    text = (examples / "reference-postgres-duckdb.yaml").read_text()
    (examples / "reference-postgres-duckdb.yaml").write_text(text.replace("strategy:", "strategi:"))
    (examples / "reference-postgres-parquet.yaml").unlink()
    made, _ = examine(house.work(engines=house.engine("skip_changes")), ConnectorRun(docs_dir=docs))
    found = red(made)
    assert found["postgres"] == []
    assert found["sqlite"] == ["integration_profile"]
    assert "example_manifest" in found["duckdb"]
    assert "example_manifest" in found["parquet"]
    # A removed example is a broken link, too.
    assert "documentation_page" in found["parquet"]
    said = {blocker.code: blocker.message for blocker in made.blockers}
    assert "rows" in said["connector.reference/sqlite.integration_profile.not_passed"]
    assert "`strategy` is missing" in said["connector.reference/duckdb.example_manifest.not_passed"]


@pytest.mark.nightly
def test_without_documentation_what_reads_it_is_untested(house: House, tmp_path: Path) -> None:
    made, _ = examine(house.work(), ConnectorRun(docs_dir=tmp_path), only=["reference/duckdb"])
    assert made.outcome is Outcome.UNTESTED
    item = made.connectors["reference/duckdb"][ChecklistItem.DOCUMENTATION_PAGE]
    assert item.status is Outcome.UNTESTED
    assert "--docs-dir" in (item.remedy or "")


@pytest.mark.nightly
def test_live_without_a_credential_names_the_variable(house: House) -> None:
    made, _ = examine(
        house.work(), ConnectorRun(docs_dir=house.docs(), live=True), only=["reference/postgres"]
    )
    item = made.connectors["reference/postgres"][ChecklistItem.LIVE_TESTS]
    assert item.status is Outcome.UNTESTED
    assert not item.required
    assert "set CERTIFY_POSTGRES_DSN; docs/connectors/reference/postgres.md#live-tests" in (item.remedy or "")
    assert made.passed


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("def test_nothing(): pass", "connector_certification.tests.not_attributed"),
        ("", "connector_certification.tests.missing"),
        ("import os; os._exit(0)", "connector_certification.missing:junit.xml"),
    ],
)
def test_a_suite_that_proves_nothing_is_not_green(house: House, body: str, code: str) -> None:
    suite = house.root / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\nmarkers =\n    unit: u\n")
    (suite / "test_it.py").write_text(f"import pytest\npytestmark = pytest.mark.unit\n{body}\n")
    made = produce(house.work(), ConnectorRun(docs_dir=house.docs(), suite=suite))
    assert not made.passed
    assert code in [blocker.code for blocker in made.blockers]


def test_interrupted_it_leaves_what_was_there(green: House) -> None:
    directory = green.work().directory.path
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(SuiteStopped):
        produce(green.work(cancel=cancel), ConnectorRun(docs_dir=green.root / "checkout" / "docs"))
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before
    assert parse_value(before[directory / "connector_certification.json"], "x")
