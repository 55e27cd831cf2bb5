"""Who signed what is published: every edit by somebody without the key is found, however well it is drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.evidence.canonical import parse_value, render, seal, sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.seal.dsse import sign
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.seal.lines import parse_line
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.published import read_published
from certification_pipeline.report.published_pages import (
    BEGIN,
    END,
    publish_record,
    read_records,
    stale_pages,
    write_pages,
)
from certification_pipeline.report.published_seal import KEY, seal_record
from tests.evidence.builders import ENGINE, RELEASE, provenance
from tests.gates.releases import decided_release

REPOSITORY = Path(__file__).parents[2]
PUBLISHED_WITH = "9a5adddb1f5410d07a3087c2011a8197f92a263c93a6f4c507015095210326fd"
"""The id of the key that this repository's records are signed with: another one is a change to this line."""
RECORD = f"docs/published/{ENGINE}.json"
BUNDLE = f"docs/published/{ENGINE}.intoto.jsonl"
OURS, STRANGER = Signer.generate(), Signer.generate()


def test_this_repositorys_records_are_signed_with_its_key() -> None:
    assert {record.signed_by for record in read_records(REPOSITORY)} == {PUBLISHED_WITH}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("signed")
    store = EvidenceStore.holding(decided_release(root / "evidence", signer=OURS))
    (root / "repository" / "docs").mkdir(parents=True)
    (root / "repository" / "README.md").write_text(f"{BEGIN}\n{END}\n")
    publish_record(root / "repository", read_published(store, RELEASE, ENGINE, provenance(80)), signer=OURS)
    write_pages(root / "repository")
    return root / "repository"


@pytest.fixture
def repository(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "repository"))


def record_of(root: Path) -> PublishedRecord:
    return read_records(root)[0]


def typed(root: Path, **changes: object) -> None:
    """The record anew, with its digest."""
    value = json.loads((root / RECORD).read_text()) | changes | {"content_digest": ""}
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    (root / RECORD).write_bytes(seal(text.encode())[0])


def forged_statement(root: Path, signer: Signer | None) -> str:
    line = parse_line((record_of(root).statement or "").encode())
    assert line is not None
    return sign(line.statement, signer).spelled().decode().strip()


def signed_by_a_stranger(root: Path) -> None:
    seal_record(root, record_of(root), STRANGER)
    (root / KEY).write_text(OURS.public_key.pem)


def of_another_engine(root: Path) -> None:
    (root / BUNDLE).rename(root / "docs/published/dlt.intoto.jsonl")


def test_what_was_signed_verifies_with_the_key_beside_it_and_with_one_from_elsewhere(
    repository: Path,
) -> None:
    assert stale_pages(repository) == ()
    assert stale_pages(repository, (OURS.public_key,)) == ()
    assert any(
        "is none of those given" in problem for problem in stale_pages(repository, (STRANGER.public_key,))
    )
    assert f"Signed with key `{OURS.key_id}`" in (repository / "docs/connector-matrix.md").read_text()


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (
            lambda root: typed(root, rows=100_000),
            "is not what docs/published/reference.intoto.jsonl was signed",
        ),
        (lambda root: typed(root, release_id="r9"), "statement (about): says 'urn:"),
        (lambda root: typed(root, summary_sha256="sha256:" + "0" * 64), "statement (summary): says"),
        (lambda root: typed(root, statement=None), "statement: is not there"),
        (lambda root: typed(root, statement="{}"), "statement: is no envelope"),
        (
            lambda root: typed(root, statement=forged_statement(root, STRANGER)),
            "statement: is not signed with key",
        ),
        (lambda root: typed(root, statement=forged_statement(root, None)), "did not sign the statement"),
        (lambda root: typed(root, signed_by=STRANGER.key_id), "signed_by: says key"),
        (
            lambda root: (root / BUNDLE).unlink(),
            "is not signed: docs/published/reference.intoto.jsonl is not",
        ),
        (lambda root: (root / BUNDLE).write_text("{}\n"), "is no envelope as it was written"),
        (signed_by_a_stranger, "is not signed with key"),
        (of_another_engine, "docs/published/dlt.intoto.jsonl has no record"),
        (lambda root: (root / KEY).write_text("trust me\n"), "holds no public key as PEM"),
        (lambda root: (root / KEY).write_text(STRANGER.public_key.pem), "is not signed with key"),
    ],
)
def test_an_edit_is_found_though_every_page_is_drawn_from_it(
    repository: Path, edit: Callable[[Path], object], told: str
) -> None:
    edit(repository)
    write_pages(repository)
    found = stale_pages(repository)
    assert any(told in problem for problem in found), found
    assert stale_pages(repository, (OURS.public_key,)) != ()


def test_a_key_that_was_taken_away_is_missed_unless_the_reader_has_it(repository: Path) -> None:
    (repository / KEY).unlink()
    assert any("certify.pub is not there to verify it" in problem for problem in stale_pages(repository))
    assert stale_pages(repository, (OURS.public_key,)) == ()


def test_a_green_record_over_a_red_statement_is_found(repository: Path) -> None:
    """A red release's own statement, signed by us, under a record that says green."""
    line = parse_line((record_of(repository).statement or "").encode())
    assert line is not None
    red = line.statement.replace(b'"verificationResult":"PASSED"', b'"verificationResult":"FAILED"')
    assert red != line.statement
    typed(repository, statement=sign(red, OURS).spelled().decode().strip())
    write_pages(repository)
    told = "statement (worth): says 'FAILED', the record 'PASSED'"
    assert any(told in problem for problem in stale_pages(repository))


def test_another_key_with_everything_signed_anew_shows_only_against_a_key_from_elsewhere(
    repository: Path,
) -> None:
    """The limit of a key that lies beside what it signed; docs/publishing.md says so."""
    (repository / KEY).unlink()
    typed(
        repository, rows=100_000, statement=forged_statement(repository, STRANGER), signed_by=STRANGER.key_id
    )
    seal_record(repository, record_of(repository), STRANGER)
    write_pages(repository)
    assert stale_pages(repository) == ()
    assert any("is none of those given" in problem for problem in stale_pages(repository, (OURS.public_key,)))


def test_without_any_signature_the_pages_say_so(repository: Path) -> None:
    (repository / KEY).unlink()
    (repository / BUNDLE).unlink()
    typed(repository, statement=forged_statement(repository, None), signed_by=None)
    write_pages(repository)
    assert stale_pages(repository) == ()
    for page in ("docs/connector-matrix.md", "docs/guarantee-matrix.md", "docs/matrix.html"):
        assert "proves no author" in (repository / page).read_text()
    assert len(stale_pages(repository, (OURS.public_key,))) > 1


def test_nobody_publishes_over_signed_records_without_their_key(repository: Path) -> None:
    record, before = record_of(repository), (repository / RECORD).read_bytes()
    for signer, told in ((None, "no private key is given"), (STRANGER, f"yours is {STRANGER.key_id[:12]}")):
        with pytest.raises(EvidenceError, match=told):
            publish_record(repository, record, signer)
    assert (repository / RECORD).read_bytes() == before
    publish_record(repository, record, OURS)
    assert stale_pages(repository) == ()


def test_the_key_file_never_shows_a_private_key(repository: Path) -> None:
    (repository / KEY).write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n")
    found = stale_pages(repository)
    assert any("holds no public key" in problem for problem in found)
    assert not any("c2VjcmV0" in problem for problem in found)


def test_what_is_signed_names_the_record_by_its_digest(repository: Path) -> None:
    line = parse_line((repository / BUNDLE).read_bytes())
    assert line is not None
    statement = parse_value(line.statement, BUNDLE)
    assert isinstance(statement, dict)
    digest = sha256((repository / RECORD).read_bytes()).removeprefix("sha256:")
    assert statement["subject"] == [{"name": "reference.json", "digest": {"sha256": digest}}]
    assert statement["predicate"] == {"releaseId": RELEASE, "engine": ENGINE}
    assert render(record_of(repository), RECORD) == (repository / RECORD).read_bytes()
