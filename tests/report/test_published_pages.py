"""What this repository publishes is what its records say; every way in which it could not be is red."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.canonical import seal
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import PublishedLevel, PublishedRecord
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.matrix_page import connectors_page, routes_page
from certification_pipeline.report.published import read_published
from certification_pipeline.report.published_pages import (
    BEGIN,
    END,
    differences_from_evidence,
    publish_record,
    read_records,
    readme_with,
    stale_pages,
    write_pages,
)
from tests.evidence.builders import ENGINE, RELEASE, provenance
from tests.exports.sample import every_outcome
from tests.gates.releases import decided_release

REPOSITORY = Path(__file__).parents[2]
RECORD = "docs/published/reference.json"


def test_what_this_repository_publishes_is_what_its_records_say() -> None:
    """Edited by hand? `certify publish-pages --from-records` draws it again."""
    assert stale_pages(REPOSITORY) == ()
    assert read_records(REPOSITORY), "nothing is published"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PublishedRecord]:
    root = tmp_path_factory.mktemp("published")
    store = EvidenceStore.holding(decided_release(root / "evidence"))
    record = read_published(store, RELEASE, ENGINE, provenance(80))
    repository = root / "repository"
    (repository / "docs").mkdir(parents=True)
    (repository / "README.md").write_text(f"# Title\n\n{BEGIN}\n{END}\n\nText\n")
    publish_record(repository, record)
    write_pages(repository)
    return root, record


@pytest.fixture
def repository(material: tuple[Path, PublishedRecord], tmp_path: Path) -> Path:
    return Path(shutil.copytree(material[0] / "repository", tmp_path / "repository"))


def edited(path: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new, 1))

    return edit


def resealed(**changes: object) -> Callable[[Path], None]:
    """What a forger does who knows that the digest is no signature."""

    def edit(root: Path) -> None:
        value = json.loads((root / RECORD).read_text()) | changes | {"content_digest": ""}
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        (root / RECORD).write_bytes(seal(text.encode())[0])

    return edit


def gone(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


def surplus(root: Path) -> None:
    (root / "docs/badges/dlt").mkdir()
    shutil.copy(root / "docs/badges/reference/release.svg", root / "docs/badges/dlt/release.svg")


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (edited("docs/connector-matrix.md", "✓ 1", "✓ 2"), "docs/connector-matrix.md is not what"),
        (
            edited("docs/guarantee-matrix.md", "certified", "Certified"),
            "docs/guarantee-matrix.md is not what",
        ),
        (edited("docs/badges/reference/release.svg", "certified", "perfect"), "release.svg is not what"),
        (edited("docs/badges/reference/release.json", "certified", "perfect"), "release.json is not what"),
        (edited("README.md", "certified, release", "perfect, release"), "README.md is not what"),
        (edited("README.md", END, ""), "README.md: has no lines"),
        (edited(RECORD, '"outcome": "passed"', '"outcome": "failed"'), "passed, but not every required"),
        (edited(RECORD, '"rows": 100', '"rows": 100000'), "content_digest: is not the digest"),
        (resealed(rows=100_000), "docs/connector-matrix.md is not what"),
        (resealed(cells=[]), "passed, but not every required cell is"),
        (resealed(surprise=1), "surprise"),
        (gone("docs/connector-matrix.md"), "docs/connector-matrix.md is not there"),
        (gone("docs/badges/reference/release.svg"), "release.svg is not there"),
        (gone(RECORD), "docs/badges/reference/release.svg has no record"),
        (surplus, "docs/badges/dlt/release.svg has no record"),
        (lambda root: (root / RECORD).rename(root / "docs/published/dlt.json"), "is about 'reference'"),
    ],
)
def test_whatever_is_touched_is_found(repository: Path, edit: Callable[[Path], None], told: str) -> None:
    assert stale_pages(repository) == ()
    edit(repository)
    found = stale_pages(repository)
    assert any(told in problem for problem in found), found


def test_drawing_again_mends_pages_and_leaves_the_rest_of_the_readme(repository: Path) -> None:
    edited("docs/connector-matrix.md", "✓ 1", "✓ 2")(repository)
    surplus(repository)
    assert set(write_pages(repository)) == {"docs/connector-matrix.md", "docs/badges/dlt/release.svg"}
    assert stale_pages(repository) == ()
    assert write_pages(repository) == ()
    text = (repository / "README.md").read_text()
    assert text.startswith(f"# Title\n\n{BEGIN}\n[![reference 0.1.0: certified")
    assert text.endswith(f"{END}\n\nText\n")


def test_a_connectors_page_states_the_level_that_its_record_grants(repository: Path) -> None:
    level = {
        "connector": "duckdb",
        "roles": ["sink"],
        "policy": "dpone",
        "highest": False,
        "why": "",
        "next_step": None,
    }
    resealed(levels=[level | {"level": "beta"}, level | {"policy": "krishiv", "level": "preview"}])(
        repository
    )
    page = repository / "docs/connectors/reference/duckdb.md"
    page.parent.mkdir(parents=True)
    page.write_text("# reference/duckdb\n\n- Role: sink\n- Level: experimental\n\nBy hand.\n")
    assert "docs/connectors/reference/duckdb.md is not what its record says" in stale_pages(repository)
    write_pages(repository)
    assert page.read_text() == "# reference/duckdb\n\n- Role: sink\n- Level: beta\n\nBy hand.\n"
    assert stale_pages(repository) == ()
    resealed(levels=[level | {"level": None}])(repository)
    write_pages(repository)
    assert "- Level: beta" in page.read_text(), "who grants nothing says nothing about what is stated"


def test_a_record_forged_with_all_its_pages_differs_from_its_evidence(
    material: tuple[Path, PublishedRecord], repository: Path
) -> None:
    """The one forgery that pages cannot show: `certify publish-pages --check` with the evidence does."""
    resealed(rows=100_000)(repository)
    write_pages(repository)
    assert stale_pages(repository) == ()
    store = EvidenceStore(material[0] / "evidence")
    now = read_published(store, RELEASE, ENGINE, provenance(90))
    assert list(differences_from_evidence(read_records(repository)[0], now)) == ["rows"]
    assert list(differences_from_evidence(material[1], now)) == []


def test_every_outcome_is_on_the_pages(tmp_path: Path) -> None:
    store = EvidenceStore.holding(every_outcome(tmp_path))
    record = read_published(store, RELEASE, ENGINE, provenance(80))
    connectors, routes = connectors_page([record]), routes_page([record])
    assert record.outcome is Outcome.FAILED
    for page in (connectors, routes):
        assert "✗ not certified" in page
        assert "certified** in release" in page
        assert "from 2024-11-19 03:51 UTC" in page
        assert "certification_pipeline 0.1.0 (c0ffee000000)" in page
    assert "| duckdb | sink | none (dpone), experimental (krishiv) |" in connectors
    assert "| postgres → duckdb |" in routes
    assert "incr.cursor\\_ties | ✗ failed | load 2: loaded\\_rows: expected 10, observed 11 |" in routes
    assert "| ? flaky | passed now, after 1 failed attempt(s) with nothing changed |" in routes
    assert "| certification\\_suite.not\\_passed |" in routes
    assert "✗ 1" in routes
    assert "? 1" in routes
    assert "a service is not reachable here | 1 | postgres → clickhouse" in routes


def test_a_release_narrowed_to_a_part_says_so_and_is_not_in_the_readme(
    material: tuple[Path, PublishedRecord], repository: Path
) -> None:
    part = material[1].model_copy(update={"selection": Selection(routes=("postgres_to_duckdb",))})
    (repository / RECORD).unlink()
    publish_record(repository, part)
    write_pages(repository)
    assert "reference" not in (repository / "README.md").read_text()
    page = (repository / "docs/connector-matrix.md").read_text()
    assert "**narrowed to a part**: `postgres_to_duckdb`" in page


def test_levels_and_their_next_steps_are_on_the_page(material: tuple[Path, PublishedRecord]) -> None:
    sink = PublishedLevel(
        connector="duckdb",
        roles=("sink",),
        policy="dpone",
        level="beta",
        highest=False,
        why="live runs are missing",
        next_step="certify connectors --live",
    )
    route = sink.model_copy(
        update={"connector": "postgres_to_duckdb", "roles": ("route",), "policy": "krishiv", "level": None}
    )
    page = connectors_page([material[1].model_copy(update={"levels": (sink, route)})])
    row = next(line for line in page.splitlines() if line.startswith("| duckdb | sink |"))
    assert row.startswith("| duckdb | sink | beta (dpone) |")
    assert row.endswith("| certify connectors --live |")
    assert (
        "| postgres → duckdb | krishiv | none | live runs are missing | certify connectors --live |" in page
    )
    source = next(line for line in page.splitlines() if line.startswith("| postgres | source |"))
    assert source.startswith("| postgres | source | not computed |")


def test_levels_are_granted_from_the_ledger_at_that_time(material: tuple[Path, PublishedRecord]) -> None:
    record = material[1]
    assert {level.connector for level in record.levels} >= {"postgres", "duckdb"}
    assert {level.policy for level in record.levels} == {"dpone", "krishiv"}
    levels = {(level.policy, level.connector): level for level in record.levels}
    assert (levels["dpone", "duckdb"].level, levels["krishiv", "duckdb"].level) == (None, "preview")
    assert levels["krishiv", "duckdb"].expires_at is not None
    assert all(level.next_step and not level.highest for level in record.levels)


def test_nothing_published_says_so_and_a_readme_without_marks_is_refused() -> None:
    assert "No release has been published yet." in connectors_page([])
    with pytest.raises(EvidenceError, match="has no lines"):
        readme_with("# Title\n", "block")
    with pytest.raises(EvidenceError, match="has no lines"):
        readme_with(f"# Title\n{END}\n{BEGIN}\n", "block")
