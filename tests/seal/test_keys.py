"""Keys: what can go wrong with one is said by name, and nothing of a private one is ever shown."""

from __future__ import annotations

import base64
import copy
import hashlib
import os
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.seal.keys import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    PASSPHRASE_VARIABLE,
    PublicKey,
    Signer,
    SigningKeyError,
    public_path,
    read_public_key,
    read_public_keys,
    read_signer,
)
from tests.seal.canary import PEM, shows_nothing


@pytest.fixture
def signer() -> Signer:
    made = read_signer(None, PEM)
    assert made is not None
    return made


def test_a_key_signs_and_only_its_public_key_verifies(signer: Signer) -> None:
    signature = signer.sign(b"data")
    assert signature == signer.sign(b"data")
    assert signer.public_key.verifies(signature, b"data")
    assert not signer.public_key.verifies(signature, b"datb")
    assert not signer.public_key.verifies(signature[:-1] + b"\0", b"data")
    assert not signer.public_key.verifies(b"", b"data")
    assert not Signer.generate().public_key.verifies(signature, b"data")


def test_the_key_id_is_the_digest_that_the_docs_say(signer: Signer) -> None:
    text = '{{"keytype":"ed25519","keyval":{{"public":"{}"}},"scheme":"ed25519"}}'
    made = text.format(signer.public_key.raw.hex()).encode()
    assert signer.key_id == signer.public_key.key_id == hashlib.sha256(made).hexdigest()


def test_a_private_key_is_shown_by_nothing(signer: Signer) -> None:
    for shown in (signer, signer.public_key, signer.signer, [signer], {"signer": signer}):
        shows_nothing(shown)
    with pytest.raises(TypeError, match="not copied"):
        pickle.dumps(signer)
    with pytest.raises(TypeError, match="not copied"):
        copy.deepcopy(signer)


def test_no_key_is_unsigned_mode() -> None:
    assert read_signer(None, None) is None
    assert read_signer(None, "") is None


def test_from_a_file_and_from_a_variable(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    path.chmod(0o600)
    from_file = read_signer(path, None)
    assert from_file is not None
    assert from_file.key_id == signer.key_id
    escaped = read_signer(None, PEM.replace("\n", "\\n"))
    assert escaped is not None
    assert escaped.key_id == signer.key_id


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    path.chmod(mode)
    with pytest.raises(SigningKeyError, match=r"key\.pem: mode: can be read .*chmod 600") as raised:
        read_signer(path, None)
    shows_nothing(raised.value)


def test_a_key_inside_the_evidence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evidence" / "key.pem"
    path.parent.mkdir()
    path.write_text(PEM)
    path.chmod(0o600)
    link = tmp_path / "key.pem"
    link.symlink_to(path)
    for named in (path, link):
        with pytest.raises(SigningKeyError, match="inside the evidence"):
            read_signer(named, None, outside=tmp_path / "evidence")


def test_a_key_behind_a_link_is_read(tmp_path: Path) -> None:
    path = tmp_path / "..data" / "key.pem"
    path.parent.mkdir()
    path.write_text(PEM)
    path.chmod(0o600)
    link = tmp_path / "key.pem"
    link.symlink_to(path)
    assert read_signer(link, None, outside=tmp_path / "evidence") is not None


def rsa() -> str:
    made = generate_private_key(65537, 1024)
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "passphrase", "told"),
    [
        (PEM.replace("MC4C", "MC5C"), None, "no private key as PEM"),
        (PEM[:-30], None, "no private key as PEM"),
        ("garbage", None, "no private key as PEM"),
        ("\0\ud800".encode("utf-8", "replace").decode(), None, "no private key as PEM"),
        (Signer.generate().public_key.pem, None, "is a public key"),
        (PEM, "hunter22", f"not encrypted, though {PASSPHRASE_VARIABLE}"),
        (rsa(), None, "algorithm: is a key for RSA"),
    ],
    ids=["damaged", "cut", "garbage", "odd", "public", "passphrase", "rsa"],
)
def test_a_key_that_is_none_is_told_by_variable(text: str, passphrase: str | None, told: str) -> None:
    with pytest.raises(SigningKeyError) as raised:
        read_signer(None, text, passphrase)
    assert str(raised.value).startswith(f"{KEY_VARIABLE}: ")
    assert told in str(raised.value)
    assert raised.value.remedy
    assert raised.value.__cause__ is None
    shows_nothing(raised.value)
    assert "hunter22" not in str(raised.value)


def test_a_file_that_is_not_there_and_two_keys_are_told(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match=r"nowhere: cannot be read.*CERTIFY_SIGNING_KEY_FILE"):
        read_signer(tmp_path / "nowhere", None)
    with pytest.raises(SigningKeyError, match=f"{FILE_VARIABLE}: is set, and so is {KEY_VARIABLE}"):
        read_signer(tmp_path / "nowhere", PEM)
    with pytest.raises(SigningKeyError, match="is not a regular file"):
        read_signer(tmp_path, None)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SigningKeyError, match="is not a regular file"):
        read_signer(tmp_path / "pipe", None)


def test_a_key_given_where_a_file_belongs_is_not_shown() -> None:
    with pytest.raises(SigningKeyError) as raised:
        read_signer(Path(PEM), None)
    shows_nothing(raised.value)
    with pytest.raises(SigningKeyError, match="is a private key") as raised:
        read_public_key(PEM)
    shows_nothing(raised.value)


def test_saved_keys_are_private_and_never_overwritten(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "certify" / "signing.pem"
    signer.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == PEM
    assert read_public_key(str(public_path(path))) == signer.public_key
    for there in (path, public_path(path)):
        before = there.read_bytes()
        other = path if there == path else tmp_path / "other.pem"
        if other != path:
            public_path(other).write_bytes(before)
        with pytest.raises(SigningKeyError, match="is there already"):
            Signer.generate().save(other)
        assert there.read_bytes() == before
    assert not (tmp_path / "other.pem").exists()


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path, signer: Signer) -> None:
    path = tmp_path / "key.pem"
    signer.save(path, "correct horse")
    assert "ENCRYPTED" in path.read_text()
    opened = read_signer(path, None, "correct horse")
    assert opened is not None
    assert opened.key_id == signer.key_id
    with pytest.raises(SigningKeyError, match=f"is encrypted. Set its passphrase in {PASSPHRASE_VARIABLE}"):
        read_signer(path, None)
    with pytest.raises(SigningKeyError, match="does not open with this passphrase") as raised:
        read_signer(path, None, "wrong battery")
    assert "battery" not in str(raised.value)


def test_public_keys_are_read_in_every_usual_spelling(tmp_path: Path, signer: Signer) -> None:
    key = signer.public_key
    file, raw = tmp_path / "key.pub", tmp_path / "raw"
    file.write_text(key.pem)
    raw.write_bytes(key.raw)
    spelled = [key.pem, key.raw.hex(), base64.b64encode(key.raw).decode(), str(file), str(raw)]
    assert {read_public_key(each) for each in spelled} == {key}
    assert read_public_keys(spelled) == (key,)
    assert PublicKey(key.raw) == key


@pytest.mark.parametrize(
    "content", ["", "garbage", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_public_key_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key.pub"
    path.write_text(content)
    with pytest.raises(EvidenceError, match="holds no Ed25519 public key"):
        read_public_key(str(path))


def test_a_private_key_is_refused_where_a_public_one_belongs(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    with pytest.raises(SigningKeyError, match="is a private key: keep it to yourself") as raised:
        read_public_key(str(path))
    shows_nothing(raised.value)
    with pytest.raises(SigningKeyError, match="cannot be read"):
        read_public_key(str(tmp_path / "nowhere"))
