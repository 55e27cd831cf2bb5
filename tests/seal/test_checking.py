"""Whatever is done to a seal, or to what it is about, is found and named; even without a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import ProblemKind
from certification_pipeline.evidence.seal.dsse import sign
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.seal.lines import Line, parse_line, read_lines
from certification_pipeline.evidence.seal.statement import statement_name
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.attested import evidence_statements
from certification_pipeline.gates.attested_decisions import decision_statements
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.seal import seal_evidence, seal_pages
from certification_pipeline.gates.seal_check import check_decisions, check_pages, check_seal
from tests.evidence.builders import RELEASE, SMALL
from tests.gates.releases import decided_release
from tests.seal.canary import SIGNER

FORGER = Signer.generate()
KEYS = (SIGNER.public_key,)
CHECKS = {layout.ATTESTATIONS: check_seal, layout.DECISIONS: check_decisions}
CELL = f"cells/{SMALL[0].key.cell_id}.json"


def told(
    directory: SubjectDir, path: str = layout.ATTESTATIONS, keys: tuple[object, ...] = KEYS
) -> list[str]:
    return [str(problem) for problem in CHECKS[path](directory, keys)]  # type: ignore[arg-type]


def rewrite(directory: SubjectDir, change: Callable[[list[bytes]], list[bytes]], path: str) -> None:
    file = directory.path / path
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def test_an_honest_seal_has_no_problem(directory: SubjectDir) -> None:
    for path in CHECKS:
        assert told(directory, path) == []
        assert told(directory, path, (FORGER.public_key, SIGNER.public_key)) == []
        assert told(directory, path, ()) == []


def test_every_statement_has_the_name_it_is_looked_up_by(directory: SubjectDir) -> None:
    for name, statement in (*evidence_statements(directory), *decision_statements(directory)):
        assert statement_name(json.loads(statement)) == name
    for value in (None, [], {}, {"predicateType": "x"}, {"predicateType": 3, "predicate": []}):
        assert statement_name(value) is None


@pytest.mark.parametrize("path", CHECKS)
def test_another_key_and_no_signature_are_no_author(directory: SubjectDir, path: str) -> None:
    [problem] = told(directory, path, (FORGER.public_key,))
    assert "all" in problem
    assert f"is signed by key {SIGNER.key_id[:12]}, which is none of those given" in problem

    def unsign(lines: list[bytes]) -> list[bytes]:
        return [line._replace(signatures=()).spelled() for each in lines if (line := parse_line(each))]

    rewrite(directory, unsign, path)
    assert told(directory, path, ()) == []
    [problem] = told(directory, path)
    assert "is not signed: it proves no author" in problem


@pytest.mark.parametrize("path", CHECKS)
def test_a_seal_that_is_not_there_or_empty_is_missing(directory: SubjectDir, path: str) -> None:
    (directory.path / path).write_bytes(b"")
    assert "is empty: nothing is attested" in told(directory, path)[0]
    (directory.path / path).unlink()
    [problem] = CHECKS[path](directory, KEYS)
    assert problem.kind is ProblemKind.MISSING
    (directory.path / path).symlink_to(directory.plan_path)
    assert len(told(directory, path)) == 1


@pytest.mark.parametrize("path", CHECKS)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines[1:], "no line attests it"),
        (lambda lines: lines[:-1], "no line attests it"),
        (lambda lines: [*lines, lines[0]], "says what an earlier line says"),
        (lambda lines: [*lines[:1], b"\n", *lines[1:]], "no envelope as it was written"),
        (lambda lines: [*lines[:-1], lines[-1].rstrip()], "no envelope as it was written"),
        (lambda lines: [b" " + lines[0], *lines[1:]], "no envelope as it was written"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "its lines were put in another order"),
        (lambda lines: [*lines, sign(b"{}", SIGNER).spelled()], "attests something else"),
        (lambda lines: [*lines, sign(b"{", SIGNER).spelled()], "is not well-formed JSON"),
        (lambda lines: [*lines, sign(b"[" * 10_000, SIGNER).spelled()], "is not well-formed JSON"),
        (lambda lines: [*lines, sign(b'{"a":NaN}', SIGNER).spelled()], "is not well-formed JSON"),
        (lambda lines: [*lines, sign(b'{"a":1,"a":1}', SIGNER).spelled()], "is there twice"),
        (lambda lines: [*lines, b"\xff" * 100 + b"\n"], "no envelope as it was written"),
    ],
    ids=[
        *("first", "last", "twice", "blank", "torn", "space", "order", "stranger"),
        *("broken", "deep", "nan", "duplicate", "binary"),
    ],
)
def test_whatever_is_done_to_the_lines_is_found(
    directory: SubjectDir, path: str, change: Callable[[list[bytes]], list[bytes]], says: str
) -> None:
    rewrite(directory, change, path)
    for keys in (KEYS, ()):
        assert any(says in problem for problem in told(directory, path, keys)), told(directory, path, keys)


def test_a_true_statement_about_another_state_is_told_field_by_field(directory: SubjectDir) -> None:
    def greener(lines: list[bytes]) -> list[bytes]:
        line = parse_line(lines[4])
        assert line is not None
        statement = line.statement.replace(b'"outcome":"untested"', b'"outcome":"passed"')
        return [*lines[:4], sign(statement, SIGNER).spelled(), *lines[5:]]

    rewrite(directory, greener, layout.ATTESTATIONS)
    [problem] = told(directory)
    assert "line 5 (cell postgres_to_clickhouse__full_refresh__batch.full_refresh)" in problem
    assert "predicate.outcome: says 'passed', is 'untested'" in problem


def test_a_signature_of_another_statement_does_not_fit(directory: SubjectDir) -> None:
    def swap(lines: list[bytes]) -> list[bytes]:
        first, second, *rest = [line for each in lines if (line := parse_line(each))]
        swapped = (Line(first.payload, second.signatures), Line(second.payload, first.signatures))
        return [each.spelled() for each in (*swapped, *rest)]

    rewrite(directory, swap, layout.ATTESTATIONS)
    [problem] = told(directory)
    assert "lines 1, 2: its signature" in problem
    assert "does not verify" in problem
    assert told(directory, keys=()) == []


def test_evidence_that_changed_after_it_was_signed_is_named(directory: SubjectDir) -> None:
    path = directory.path / CELL
    path.write_text(path.read_text().replace('"seconds": 2.0', '"seconds": 1.0'))
    problems = told(directory)
    assert any("predicate.evidence.digest.sha256: says" in p and SMALL[0].key.cell_id in p for p in problems)
    path.unlink()
    problems = told(directory)
    assert any("predicate.outcome: says 'passed', is 'untested'" in problem for problem in problems)


def test_a_forger_without_the_key_can_only_sign_as_somebody_else(directory: SubjectDir) -> None:
    path = directory.path / CELL
    path.write_text(path.read_text().replace('"seconds": 2.0', '"seconds": 1.0'))
    seal_evidence(directory, FORGER)
    assert told(directory, keys=()) == []
    assert any(f"is signed by key {FORGER.key_id[:12]}" in problem for problem in told(directory))


def test_the_summary_and_its_page_cannot_be_rewritten(directory: SubjectDir) -> None:
    path = directory.path / "release_summary.md"
    path.write_text(path.read_text().replace("PASS", "PAST"))
    [problem] = told(directory, layout.DECISIONS)
    assert "(files)" in problem
    assert "subject[1].digest.sha256: says" in problem


def test_a_flood_of_wrong_lines_is_told_shortly(directory: SubjectDir) -> None:
    honest = (directory.path / layout.ATTESTATIONS).read_bytes()
    strangers = [sign(b'{"n":%d}' % n, None).spelled() for n in range(3000)]
    names = [b'"%064x"' % n for n in range(40)]
    signed = sign(b'{"n":-1}', SIGNER).spelled()
    others = [signed.replace(b'"%b"' % SIGNER.key_id.encode(), name) for name in names]
    (directory.path / layout.ATTESTATIONS).write_bytes(honest + b"".join([*strangers, *others]))
    problems = told(directory)
    assert len(problems) < 1050
    assert any("statements differ" in problem for problem in problems)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_byte_of_any_seal_changed_is_found(sealed: SubjectDir, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(CHECKS)))
    file = sealed.path / path
    honest = file.read_bytes()
    at = data.draw(st.integers(0, len(honest) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != honest[at]))
    how = data.draw(st.sampled_from([bytes([other]), b"", bytes([other, honest[at]])]))
    try:
        file.write_bytes(honest[:at] + how + honest[at + 1 :])
        assert told(sealed, path)
    finally:
        file.write_bytes(honest)


def test_pages_are_sealed_whole(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    decided_release(tmp_path)
    pages = ReleaseDir.of(store, RELEASE)
    assert check_pages(pages) == ()
    assert seal_pages(pages, SIGNER).statements == 0
    (pages.path / "report.html").write_text("<p>")
    (pages.path / "harness.log").write_text("a log")
    [problem] = check_pages(pages, KEYS)
    assert problem.kind is ProblemKind.MISSING
    assert seal_pages(pages, SIGNER).signed == 1
    assert check_pages(pages, KEYS) == ()
    [line] = read_lines(pages, layout.PAGES)
    assert json.loads(line.statement)["subject"][0]["name"] == "report.html"
    (pages.path / "harness.log").write_text("goes on")
    assert check_pages(pages, KEYS) == ()
    (pages.path / "comparison.json").write_text("{}")
    [problem] = check_pages(pages, KEYS)
    assert "subject" in str(problem)
    (pages.path / "comparison.json").unlink()
    (pages.path / "report.html").write_text("<b>")
    assert len(check_pages(pages, KEYS)) == 1
    (pages.path / "report.html").unlink()
    (pages.path / "report.html").symlink_to(tmp_path)
    assert len(check_pages(pages, KEYS)) == 1
    (pages.path / "report.html").unlink()
    [problem] = check_pages(pages, KEYS)
    assert problem.kind is ProblemKind.UNEXPECTED
