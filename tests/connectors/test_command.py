"""``certify connectors`` as a user meets it, where no connector has to be tested to see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Support
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.connector_live.produce import DOCS_VARIABLE, ConnectorRun
from certification_pipeline.families.connector_live.published import published_levels
from tests.cli.conftest import Certify
from tests.connectors.junit import FAILURE, cases, report
from tests.connectors.test_verdict import changed, first, systems, write
from tests.evidence.builders import RELEASE, SMALL, release


@pytest.fixture
def made(tmp_path: Path) -> tuple[SubjectDir, CertificationPlan]:
    claimed = tuple(each.model_copy(update={"support": Support.FULL}) for each in SMALL)
    made = release(tmp_path / "evidence", claimed)
    EvidenceStore(tmp_path / "evidence").set_latest(RELEASE)
    return made


def answers(monkeypatch: pytest.MonkeyPatch, made: dict[str, ConnectorCertification]) -> None:
    """In place of testing connectors."""
    monkeypatch.setattr("certification_pipeline.pipeline.families.remake_family", lambda *_, **__: made)


def test_an_unknown_connector_is_told_with_the_nearest(
    certify: Certify,
    made: tuple[SubjectDir, CertificationPlan],
    tmp_path: Path,
) -> None:
    answer = certify("connectors", "--connector", "reference/duckbd", "--evidence-dir", tmp_path / "evidence")
    assert answer.code == 2
    assert "reference/duckdb" in answer.err
    assert "Traceback" not in answer.err


def test_a_docs_dir_that_is_not_there_is_a_usage_error(certify: Certify, tmp_path: Path) -> None:
    answer = certify("connectors", "--docs-dir", tmp_path / "nowhere")
    assert answer.code == 2
    assert "--docs-dir" in answer.err


@pytest.mark.parametrize("red", [False, True])
def test_it_shows_connector_by_item_and_exits_as_the_verdict(
    certify: Certify,
    made: tuple[SubjectDir, CertificationPlan],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    red: bool,
) -> None:
    listed = changed(first, lambda case: replace(case, body=FAILURE)) if red else list(cases(systems()))
    written = write(*made, report(listed), 1 if red else 0)
    answers(monkeypatch, {"reference": written})
    answer = certify("connectors", "--evidence-dir", tmp_path / "evidence")
    assert answer.code == (1 if red else 0), answer.err
    for name in systems():
        assert name in answer.out
    assert ("documentation_page.not_passed" in answer.out) is red


def test_an_engine_that_could_not_be_tested_is_inconclusive(
    certify: Certify,
    made: tuple[SubjectDir, CertificationPlan],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, {})
    answer = certify("connectors", "--evidence-dir", tmp_path / "evidence")
    assert answer.code == 3
    assert "Nothing is known of reference" in answer.err


def test_where_the_documentation_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ConnectorRun().docs() == Path(__file__).parents[2] / "docs"
    assert ConnectorRun(docs_dir=tmp_path).docs() is None
    (tmp_path / "connectors").mkdir()
    monkeypatch.setenv(DOCS_VARIABLE, str(tmp_path))
    assert ConnectorRun().docs() == tmp_path


def test_levels_of_a_published_release(made: tuple[SubjectDir, CertificationPlan], tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "evidence")
    assert published_levels(store, "reference") == (None, {}, None)
    published = store.root / "published" / "reference.json"
    published.parent.mkdir()
    published.write_text(f'{{"release_id": "{RELEASE}"}}')
    # Published before there was connector evidence: nothing to compare with.
    assert published_levels(store, "reference") == (RELEASE, {}, None)
    write(*made, report(cases(systems())))
    assert published_levels(store, "reference").levels == dict.fromkeys(systems(), "beta")
    path = made[0].path / f"{ConnectorCertification.KIND}.json"
    path.write_bytes(path.read_bytes().replace(b'"beta"', b'"production-certified"', 1))
    assert "edited" in (published_levels(store, "reference").problem or "")
    published.write_text("{}")
    assert "names no release" in (published_levels(store, "reference").problem or "")
