"""What is written: one envelope a line, the same bytes for the same files and key, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import ReasonCode
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.schema import PREDICATES, predicate_schema
from certification_pipeline.evidence.seal.dsse import read_envelope, sign, verified_by
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.seal.lines import Line, parse_line, read_lines, signing_key_id
from certification_pipeline.evidence.seal.production import ProductionPredicate
from certification_pipeline.evidence.seal.statement import ResourceDescriptor
from certification_pipeline.evidence.seal.vsa import VSA_TYPE, Decided, verification_summary
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import write_summary
from certification_pipeline.gates.seal import seal_evidence
from tests.evidence.builders import PRODUCER, SMALL, START, SUBJECT, cell, row_judgement
from tests.gates.releases import decided_release
from tests.gates.releases import release as undecided_release
from tests.seal.canary import SIGNER

OTHER = Signer.generate()
SUBJECT_ALONE = ResourceDescriptor(digest={"sha256": "0" * 64})


def statements(directory: SubjectDir, path: str = layout.ATTESTATIONS) -> list[dict[str, Any]]:
    return [json.loads(line.statement) for line in read_lines(directory, path)]


def bundle(directory: SubjectDir, path: str = layout.ATTESTATIONS) -> bytes:
    return (directory.path / path).read_bytes()


def test_a_line_is_an_envelope_that_verifies_with_the_public_key_alone() -> None:
    line = sign(b'{"a": 1}', SIGNER)
    spelled = line.spelled()
    assert parse_line(spelled) == line
    assert read_envelope(spelled, "x") == line
    assert verified_by(line, [OTHER.public_key, SIGNER.public_key]) == {SIGNER.public_key}
    assert not verified_by(line, [OTHER.public_key])
    assert not verified_by(line, [])
    assert not verified_by(sign(b'{"a": 1}', None), [SIGNER.public_key])
    assert not verified_by(Line.of(b'{"a": 2}', line.signatures), [SIGNER.public_key])


def test_the_format_of_a_signed_line_is_pinned() -> None:
    """By the canary's key; anybody's Ed25519 and DSSE must give these bytes."""
    sig = "9JQymjJqlnmj/ErsvMYOuLDVoLANiO+detxkSNdg372rVnob78vm2M/iQvpw/lqmAkuF0grgF8BKYEw1ubjxAw=="
    key_id = "63d00ee3cf4f5c61ad94efa696c68f13b608fe56ecea13fb144a6fd18e9235b9"
    assert sign(b'{"a":1}', SIGNER).spelled().decode() == (
        '{"payload":"eyJhIjoxfQ==","payloadType":"application/vnd.in-toto+json",'
        f'"signatures":[{{"keyid":"{key_id}","sig":"{sig}"}}]}}\n'
    )


@settings(max_examples=200, deadline=None)
@given(payload=st.binary(max_size=200), signed=st.booleans(), at=st.integers(0), put=st.binary(max_size=3))
def test_whatever_is_read_as_a_line_is_spelled_like_it(
    payload: bytes, signed: bool, at: int, put: bytes
) -> None:
    spelled = sign(payload, SIGNER if signed else None).spelled()
    line = parse_line(spelled)
    assert line is not None
    assert (line.statement, line.spelled()) == (payload, spelled)
    at %= len(spelled)
    edited = spelled[:at] + put + spelled[at + 1 :]
    found = parse_line(edited)
    assert found is None or found.spelled() == edited.removesuffix(b"\n") + b"\n"


def test_a_line_in_another_spelling_is_none() -> None:
    spelled = sign(b"12345", SIGNER).spelled()
    assert parse_line(spelled)
    for found, put in (
        (b'"payload":', b'"payload": '),
        (b"MTIzNDU=", b"MTIzNDV="),
        (b"MTIzNDU=", b"MTIzNDU"),
        (b"MTIzNDU=", b"MTIz\\u004eDU="),
        (b"vnd.in-toto+json", b"vnd.in-toto+jsoM"),
        (b"]}", b',{"keyid":"x","sig":"y"}]}'),
        (b"]}", b"],}"),
        (b"]}", b",]}"),
        (b"]}", b'],"more":1}'),
        (b"]}\n", b"]} \n"),
        (b'{"payload"', b'{"payload":"","payload"'),
    ):
        assert found in spelled
        assert parse_line(spelled.replace(found, put)) is None, put
    head, _, tail = spelled.partition(b'"signatures":[')
    one = tail.removesuffix(b"]}\n")
    assert parse_line(head + b'"signatures":[' + one + b"," + one + b"]}\n")
    assert parse_line(head + b'"signatures":[' + one + one + b"]}\n") is None


def test_somebody_elses_envelope_is_read_in_any_layout_but_strictly() -> None:
    line = sign(b"{}", SIGNER)
    fields = json.loads(line.spelled())
    assert read_envelope(json.dumps(dict(reversed(fields.items())), indent=1).encode(), "x") == line
    for change, told in (
        ({"payloadType": "text/plain"}, "payloadType"),
        ({"payload": "?"}, "payload: is not base64"),
        ({"payload": None}, "payload: is not base64"),
        ({"signatures": {}}, "signatures: is not a list"),
        ({"signatures": [{"keyid": "me", "sig": "AAAA"}]}, "signatures.0: is no Ed25519"),
        ({"signatures": ["AAAA"]}, "signatures.0.sig: is not base64"),
    ):
        with pytest.raises(EvidenceError, match=told):
            read_envelope(json.dumps(fields | change).encode(), "x")
    for data in (b"[]", b"{", b'{"payload":"","payload":""}', b'{"a":NaN}', b"[" * 9999):
        with pytest.raises(EvidenceError):
            read_envelope(data, "x")


def test_plan_cells_and_families_each_have_a_statement_about_the_artifact(directory: SubjectDir) -> None:
    made = statements(directory)
    assert [each["predicateType"].split(":")[-2] for each in made] == ["plan", *["cell"] * 4, "family"]
    digest = SUBJECT.artifact_digest.removeprefix("sha256:")
    assert all(
        each["subject"] == [{"name": "reference@0.1.0", "digest": {"sha256": digest}}] for each in made
    )
    outcomes = [each["predicate"]["outcome"] for each in made[1:]]
    assert outcomes == ["passed", "passed", "inapplicable", "untested", "passed"]
    assert made[4]["predicate"]["reason"] == "service_unavailable"
    assert "evidence" not in made[4]["predicate"]
    decisions = statements(directory, layout.DECISIONS)
    assert [each["predicate"].get("verificationResult") for each in decisions] == ["PASSED", "PASSED", None]
    for path in (layout.ATTESTATIONS, layout.DECISIONS):
        assert signing_key_id(directory, path) == SIGNER.key_id
        for line in read_lines(directory, path):
            assert verified_by(line, [SIGNER.public_key])


def test_every_statement_obeys_the_published_schema_of_its_predicate(sealed: SubjectDir) -> None:
    by_type = {predicate.predicate_type(): predicate_schema(predicate) for predicate in PREDICATES}
    seen = set()
    for made in (*statements(sealed), *statements(sealed, layout.DECISIONS)):
        assert made["_type"] == "https://in-toto.io/Statement/v1"
        kind = made["predicateType"]
        if kind == VSA_TYPE:
            continue
        jsonschema.validate(made["predicate"], by_type[kind])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**made["predicate"], "surprise": 1}, by_type[kind])
        seen.add(kind)
    assert seen == by_type.keys() - {ProductionPredicate.predicate_type()}


def test_a_decision_is_a_verification_summary_of_slsa(sealed: SubjectDir) -> None:
    """Required fields of SLSA v1.1, and its rules for levels."""
    decided = [made for made in statements(sealed, layout.DECISIONS) if made["predicateType"] == VSA_TYPE]
    for made in decided:
        predicate = made["predicate"]
        assert predicate["verifier"]["id"]
        assert predicate["timeVerified"].endswith("Z")
        assert predicate["resourceUri"].startswith("urn:certification-pipeline:engine:reference:0.1.0:")
        assert predicate["policy"]["uri"]
        assert all(each["digest"] for each in predicate["inputAttestations"])
        assert not any(level.startswith("SLSA_") for level in predicate["verifiedLevels"])
    assert len({made["predicate"]["resourceUri"] for made in decided}) == len(decided)


def test_what_was_not_passed_is_failed_and_grants_nothing() -> None:
    plan = ResourceDescriptor(uri="plan", digest={"sha256": "0" * 64})
    decided = Decided(
        subject=SUBJECT,
        resource="release:r",
        policy=plan,
        inputs=(),
        plan=plan,
        passed=False,
        levels=("RELEASE_PASSED",),
        decided_at=START,
        producer=PRODUCER,
    )
    for told in (decided, decided.model_copy(update={"passed": True, "levels": ()})):
        made = json.loads(verification_summary(told).spelled())["predicate"]
        assert (made["verificationResult"], made["verifiedLevels"]) == ("FAILED", ["FAILED"])
    for wrong in ({"levels": ("SLSA_BUILD_LEVEL_3",)}, {"levels": ("FAILED",)}, {"policy": SUBJECT_ALONE}):
        with pytest.raises(ValueError, match=r"SLSA|uri"):
            verification_summary(decided.model_copy(update=wrong))


def test_what_a_cell_says_of_itself_is_not_what_is_signed(tmp_path: Path) -> None:
    directory, sealed = undecided_release(tmp_path)
    where = SMALL[0]
    red = cell(sealed, where, (row_judgement("load 2", lost=3),))
    path = directory.cell_path(where.key.cell_id)
    directory.write(red)
    path.write_text(path.read_text().replace('"outcome": "failed"', '"outcome": "passed"'))
    path.write_text(path.read_text().replace('"passed": false', '"passed": true'))
    seal_evidence(directory, SIGNER)
    predicate = statements(directory)[1]["predicate"]
    assert (predicate["outcome"], predicate["verified"]) == ("failed", False)


def test_all_five_outcomes_can_be_said_each_without_a_verdict_with_its_reason(tmp_path: Path) -> None:
    directory, sealed = undecided_release(tmp_path, without=SMALL[0].key.cell_id)
    directory.write(cell(sealed, SMALL[1], (), reason=ReasonCode.SERVICE_DIED, detail="it died"))
    seal_evidence(directory, None)
    predicates = [made["predicate"] for made in statements(directory)[1:-1]]
    assert [(each["outcome"], each.get("reason"), each["verified"]) for each in predicates] == [
        ("untested", "no_outcome", False),
        ("cantTell", "service_died", True),
        ("inapplicable", "not_declared", True),
        ("untested", "service_unavailable", True),
    ]
    assert "evidence" not in predicates[0]


def test_an_engine_that_could_not_be_installed_has_no_digest_made_up(tmp_path: Path) -> None:
    directory, sealed = undecided_release(tmp_path)
    nobody = sealed.subject.model_copy(update={"artifact_digest": ""})
    directory.write(sealed.model_copy(update={"subject": nobody}))
    seal_evidence(directory, SIGNER)
    made = statements(directory)
    assert {each["subject"][0].get("uri") for each in made} == {layout.PLAN}
    assert "passed" not in [each["predicate"].get("outcome") for each in made]


def test_sealing_again_gives_the_same_bytes_and_another_key_other_ones(directory: SubjectDir) -> None:
    before = bundle(directory)
    seal_evidence(directory, SIGNER)
    assert bundle(directory) == before
    seal_evidence(directory, OTHER)
    assert signing_key_id(directory, layout.ATTESTATIONS) == OTHER.key_id


def test_deciding_again_without_the_key_unsigns_only_what_changed(directory: SubjectDir) -> None:
    before = bundle(directory)
    sealed = seal_evidence(directory, None)
    assert (sealed.statements, sealed.signed) == (6, 6)
    assert bundle(directory) == before
    path = directory.cell_path(SMALL[0].key.cell_id)
    path.write_text(path.read_text().replace('"run_id": "run-1"', '"run_id": "run-2"'))
    sealed = seal_evidence(directory, None)
    assert (sealed.statements, sealed.signed) == (
        6,
        4,
    )  # of the cell, and of the report that names its digest
    assert signing_key_id(directory, layout.ATTESTATIONS) is None


def test_unsigned_has_every_statement_and_no_signature(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    lines = [*read_lines(directory, layout.ATTESTATIONS), *read_lines(directory, layout.DECISIONS)]
    assert len(lines) == 9
    assert not any(line.signatures for line in lines)
    assert signing_key_id(directory, layout.ATTESTATIONS) is None


def test_a_seal_does_not_outlive_what_it_is_about(directory: SubjectDir) -> None:
    directory.plan_path.unlink()
    _, summary = write_summary(directory, "run-2", signer=SIGNER)
    assert not summary.passed
    assert not (directory.path / layout.ATTESTATIONS).exists()
    assert not (directory.path / layout.DECISIONS).exists()


def test_the_release_and_its_chain_hold_the_seal(directory: SubjectDir) -> None:
    assert layout.ATTESTATIONS in directory.artifact_index_path.read_text()
    assert layout.DECISIONS not in directory.artifact_index_path.read_text()
