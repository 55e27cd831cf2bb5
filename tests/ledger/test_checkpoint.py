"""Signed notes and checkpoints: known vectors, one spelling, and no altered byte goes unseen."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.evidence.checkpoint import make_checkpoint, origin_of, parse_checkpoint
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.merkle import leaf_hash
from certification_pipeline.evidence.note import key_id, parse_note
from tests.ledger.chains import Key, Pen

LEAVES = [leaf_hash(bytes([at])) for at in range(5)]
SIGNED = make_checkpoint("dlt", LEAVES, Pen()).render()

# From the documentation of golang.org/x/mod/sumdb/note, where the format comes from.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSN"
    "XgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_that_another_implementation_signed_verifies() -> None:
    name, stated, encoded = GO_KEY.split("+")
    raw = base64.b64decode(encoded)
    assert raw[0] == 1, "the type of Ed25519"
    key = Key(raw[1:])
    assert key_id(name, key).hex() == stated
    note = parse_note(GO_NOTE.encode(), "note")
    assert note.render() == GO_NOTE.encode()
    assert note.verified_by(name, key)
    assert not note.verified_by("SomebodyElse", key)
    assert not note.verified_by(name, Pen().public_key)
    other = parse_note(GO_NOTE.replace("is the answer", "is no answer").encode(), "note")
    assert not other.verified_by(name, key)


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    pen = Pen()
    text = make_checkpoint("dlt==1.30.0+local", LEAVES, pen).render().decode()
    origin, size, root, blank, signature, end = text.split("\n")
    assert (origin, size, blank, end) == ("certification_pipeline/dlt==1.30.0%2Blocal", "5", "", "")
    assert len(base64.b64decode(root)) == 32
    dash, name, encoded = signature.split(" ")
    assert (dash, name) == ("—", origin), "a key's name may hold no plus"
    assert base64.b64decode(encoded)[:4] == key_id(origin, pen.public_key)
    read = parse_checkpoint(text.encode(), "checkpoint")
    assert read.is_signed
    assert read.signed_by(pen.public_key)
    assert not read.signed_by(Pen(2).public_key)


def test_without_a_key_it_says_that_nobody_signed_it() -> None:
    made = make_checkpoint("dlt", LEAVES, None)
    assert made.render().count(b"\n") == 3
    read = parse_checkpoint(made.render(), "checkpoint")
    assert read == made
    assert not read.is_signed
    assert not read.signed_by(Pen().public_key)


def test_cosignatures_of_others_are_passed_over_and_a_wrong_one_of_ours_is_not() -> None:
    mine, other = Pen(), Pen(2)
    note = make_checkpoint("dlt", LEAVES, mine).note.signed("witness.example/w1", other)
    both = parse_checkpoint(note.render(), "checkpoint")
    assert both.signed_by(mine.public_key)
    assert both.note.verified_by("witness.example/w1", other.public_key)
    assert not both.signed_by(other.public_key), "it signed as a witness, not as the chain"
    flipped = note.signatures[0].signature[::-1]
    line = str(note.signatures[0].__class__(origin_of("dlt"), note.signatures[0].key_id, flipped))
    assert not parse_checkpoint(note.render() + f"{line}\n".encode(), "c").signed_by(mine.public_key)


@settings(max_examples=100, deadline=None, database=None)
@given(data=st.data())
def test_no_altered_byte_of_a_signed_checkpoint_passes(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SIGNED) - 1))
    altered = bytearray(SIGNED)
    match data.draw(st.sampled_from(["flip", "drop", "insert", "cut"])):
        case "flip":
            altered[at] ^= 1 << data.draw(st.integers(0, 7))
        case "drop":
            del altered[at]
        case "insert":
            altered.insert(at, data.draw(st.integers(0, 255)))
        case _:
            del altered[at:]
    if bytes(altered) == SIGNED:
        return
    try:
        read = parse_checkpoint(bytes(altered), "checkpoint")
    except EvidenceError:
        return
    assert not read.signed_by(Pen().public_key)


ROOT = base64.b64encode(bytes(32)).decode()
UNUSED_BITS = ROOT[:-2] + "B="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n1\n",
        f"a\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"a\n01\n{ROOT}\n",
        f"a\n+1\n{ROOT}\n",
        f"a\n١\n{ROOT}\n",
        f"a\n{10**18}\n{ROOT}\n",
        "a\n1\nAAAA\n",
        f"a\n1\n{UNUSED_BITS}\n",
        f"a\n1\n{ROOT}\n\nno signature\n",
        f"a\n1\n{ROOT}\n\n",
        f"a\n1\n{ROOT}\n\n— a b\n",
        f"a\n1\n{ROOT}\n\n—  {base64.b64encode(bytes(68)).decode()}\n",
        f"a\n1\n{ROOT}\n\n— a+b {base64.b64encode(bytes(68)).decode()}\n",
        f"a\n1\n{ROOT}\n\n- a {base64.b64encode(bytes(68)).decode()}\n",
        f"a\r\n1\n{ROOT}\n",
        f"a\n1\n{ROOT}\nx\n\ny\n\n— a {base64.b64encode(bytes(68)).decode()}\n",
        f"a\n1\n{ROOT}\n\udcff\n",
        f"a\n1\n{ROOT}\n\n" + f"— a {base64.b64encode(bytes(68)).decode()}\n" * 65,
    ],
)
def test_what_is_not_spelled_the_one_way_is_refused(text: str) -> None:
    with pytest.raises(EvidenceError, match="checkpoint"):
        parse_checkpoint(text.encode("utf-8", "surrogateescape"), "checkpoint")


def test_lines_more_are_read_and_kept() -> None:
    read = parse_checkpoint(f"a\n0\n{ROOT}\nmore\n".encode(), "checkpoint")
    assert (read.size, read.extensions) == (0, ("more",))
