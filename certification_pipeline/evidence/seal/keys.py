"""Ed25519 keys: one that signs, and public ones that anybody verifies with.

A private key is read from a file or a variable, held by a :class:`Signer`, and shown by nothing here: not by
``repr``, not by an error, not by pickling. Verifying needs public keys alone.

Key ids are securesystemslib's (TUF specification, 4.2): the SHA-256 of the key's canonical JSON,
``{"keytype":"ed25519","keyval":{"public":"<hex>"},"scheme":"ed25519"}``. They are hints for people and for
choosing a key; nothing is trusted for its key id.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import create_atomically

KEY_VARIABLE = "CERTIFY_SIGNING_KEY"
"""Holds the private key itself, as PEM."""
FILE_VARIABLE = "CERTIFY_SIGNING_KEY_FILE"
"""Names a file with it."""
PASSPHRASE_VARIABLE = "CERTIFY_SIGNING_KEY_PASSPHRASE"  # noqa: S105 - a name
"""Decrypts it, when it is encrypted."""

PUBLIC_SUFFIX = ".pub"
_LARGEST_KEY = 64 << 10
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=?")
_RAW_BYTES = 32
_SIGNATURE_BYTES = 64
_NEW = "Make one: certify keys new"


class SigningKeyError(EvidenceError):
    """A key cannot be used; ``path`` is the file or the variable it was to come from, never the key."""


class PublicKey:
    """Verifies what the holder of the private key signed. Equal when the keys are."""

    __slots__ = ("_key", "raw")

    def __init__(self, raw: bytes) -> None:
        """``raw``: the 32 bytes of RFC 8032. Raises ``ValueError`` for any other number of bytes."""
        self.raw = raw
        self._key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))

    @property
    def key_id(self) -> str:
        """64 hex digits."""
        return self._key.keyid

    @property
    def key(self) -> SSlibKey:
        """As securesystemslib holds it."""
        return self._key

    @property
    def pem(self) -> str:
        """``-----BEGIN PUBLIC KEY-----`` …, as OpenSSL reads it."""
        loaded = Ed25519PublicKey.from_public_bytes(self.raw)
        return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` over ``data`` was made with the private key."""
        if len(signature) != _SIGNATURE_BYTES:
            return False
        try:
            self._key.verify_signature(Signature(self.key_id, signature.hex()), data)
        except UnverifiedSignatureError:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.key_id[:12]})"


class Signer:
    """Holds a private key and signs with it."""

    __slots__ = ("_signer", "public_key")

    def __init__(self, signer: CryptoSigner) -> None:
        self._signer = signer
        self.public_key = PublicKey(bytes.fromhex(signer.public_key.keyval["public"]))

    @classmethod
    def generate(cls) -> Signer:
        """A new key, from the operating system's random numbers."""
        return cls(CryptoSigner.generate_ed25519())

    @classmethod
    def from_pem(cls, pem: bytes, shown: str, passphrase: str | None = None) -> Signer:
        """A private key as PEM (PKCS 8). ``shown`` is the file or variable, for messages.

        Raises :class:`SigningKeyError`, which never holds anything of the key.
        """
        secret = passphrase.encode() if passphrase else None
        try:
            key = load_pem_private_key(pem, secret)
        except TypeError:  # one of passphrase and encryption without the other
            raise _passphrase_error(shown, given=secret is not None) from None
        except (ValueError, UnsupportedAlgorithm):
            raise _malformed(pem, shown, encrypted=secret is not None) from None
        if not isinstance(key, Ed25519PrivateKey):
            kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
            raise SigningKeyError(shown, "algorithm", f"is a key for {kind}, not for Ed25519", _NEW)
        return cls(CryptoSigner(key))

    @property
    def key_id(self) -> str:
        """The public key's."""
        return self.public_key.key_id

    @property
    def signer(self) -> CryptoSigner:
        """As securesystemslib signs."""
        return self._signer

    def sign(self, data: bytes) -> bytes:
        """64 bytes; the same for the same data (RFC 8032: nothing is drawn by lot)."""
        return bytes.fromhex(self._signer.sign(data).signature)

    def save(self, path: Path, passphrase: str | None = None) -> None:
        """Write the private key (mode 0600) and, beside it, the public one; never over a file that is there.

        Raises :class:`SigningKeyError` when one is, ``EvidenceError`` for what the system refuses.
        """
        public = public_path(path)
        for there in (path, public):
            if there.exists() or there.is_symlink():
                problem = "is there already: a key that is overwritten is lost, and with it the way to sign"
                remedy = "Show it: certify keys show; or name another file: certify keys new FILE"
                raise SigningKeyError(str(there), None, problem, remedy, ProblemKind.REFUSED)
        cipher = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        key = load_pem_private_key(self._signer.private_bytes, None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher)
        create_atomically(path, pem, mode=0o600)
        create_atomically(public, self.public_key.pem.encode())

    def __repr__(self) -> str:
        return f"Signer({self.key_id[:12]})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not copied, and not sent anywhere")


def read_signer(
    file: Path | None, text: str | None, passphrase: str | None = None, *, outside: Path | None = None
) -> Signer | None:
    """The signer that settings name, or ``None``: unsigned mode.

    ``outside``: the directory of the evidence, in which a private key has no business. Raises
    :class:`SigningKeyError` that names the file or the variable, and what to do.
    """
    if file is not None and text:
        problem = f"is set, and so is {KEY_VARIABLE}: nobody can say which key is meant"
        raise SigningKeyError(FILE_VARIABLE, None, problem, "Unset one of them")
    if file is not None:
        return Signer.from_pem(_read_private(file, outside), str(file), passphrase)
    if text:
        # A variable set by a file of settings often holds `\n` for its line breaks.
        pem = text.replace("\\n", "\n").strip() + "\n"
        return Signer.from_pem(pem.encode(), KEY_VARIABLE, passphrase)
    return None


def read_public_keys(given: Iterable[str]) -> tuple[PublicKey, ...]:
    """As :func:`read_public_key`, each once, in the order given."""
    return tuple(dict.fromkeys(read_public_key(each) for each in given))


def read_public_key(given: str) -> PublicKey:
    """A public key: a file with one, or the key itself, as PEM or as its 32 bytes in hex or base64.

    Raises :class:`SigningKeyError`, also for a private key, which nobody needs for verifying.
    """
    key = _public(given)
    if key is not None:
        return key
    if "PRIVATE KEY" in given:
        raise _private_given("the public key that was given")
    path = Path(given)
    data = _read(path)
    if b"PRIVATE KEY" in data:
        raise _private_given(given)
    key = PublicKey(data) if len(data) == _RAW_BYTES else _public(data.decode("utf-8", "replace"))
    if key is None:
        problem = "holds no Ed25519 public key as PEM, hex or base64"
        raise SigningKeyError(given, None, problem, "Write one: certify keys export > FILE")
    return key


def default_path() -> Path:
    """Where `certify keys new` puts a key: outside any evidence (XDG base directory specification)."""
    named = os.environ.get("XDG_CONFIG_HOME", "")
    home = Path(named) if Path(named).is_absolute() else Path.home() / ".config"
    return home / "certify" / "signing.pem"


def is_private(path: Path) -> bool:
    """Whether the file holds a private key as PEM. Raises :class:`SigningKeyError` when it cannot be read."""
    return b"PRIVATE KEY" in _read(path)


def public_path(path: Path) -> Path:
    """Where the public key lies: beside the private one."""
    return path.with_name(path.name + PUBLIC_SUFFIX)


def refuse_inside(path: Path, evidence: Path) -> None:
    """Raise :class:`SigningKeyError` when ``path`` lies in the evidence, which is published and copied."""
    if path.resolve().is_relative_to(evidence.resolve()):
        problem = f"lies inside the evidence ({evidence}), which is copied and published"
        raise SigningKeyError(str(path), None, problem, "Move it elsewhere, e.g. to ~/.config/certify/")


def _public(text: str) -> PublicKey | None:
    stripped = text.strip()
    try:
        if stripped.startswith("-----BEGIN PUBLIC KEY-----"):
            loaded = load_pem_public_key(stripped.encode() + b"\n")
            if not isinstance(loaded, Ed25519PublicKey):
                return None
            return PublicKey(loaded.public_bytes(Encoding.Raw, PublicFormat.Raw))
        if _HEX.fullmatch(stripped):
            return PublicKey(bytes.fromhex(stripped))
        if _BASE64.fullmatch(stripped):
            return PublicKey(base64.b64decode(stripped.rstrip("=") + "=", validate=True))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        pass
    return None


def _read_private(path: Path, outside: Path | None) -> bytes:
    path = path.expanduser()
    if outside is not None:
        refuse_inside(path, outside)
    return _read(path, private=True)


def _read(path: Path, *, private: bool = False) -> bytes:
    """Follows links: that is how orchestrators mount secrets."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        kind: Literal["private", "public"] = "private" if private else "public"
        raise _unreadable(path, error, kind) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SigningKeyError(str(path), None, "is not a regular file", "Name the file with the key")
        if private and status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            problem = f"can be read or changed by others (mode {mode:04o}): they can sign as you"
            remedy = f"Take it from them: chmod 600 {path}; if others use this machine, make a new key"
            raise SigningKeyError(str(path), "mode", problem, remedy)
        return os.read(descriptor, _LARGEST_KEY)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError | ValueError, kind: str) -> SigningKeyError:
    # A key that was given where a file's name belongs must not be shown.
    shown = str(path) if len(str(path)) < 300 and "KEY-----" not in str(path) else f"the {kind} key's file"  # noqa: PLR2004
    why = error.strerror or "cannot be opened" if isinstance(error, OSError) else "is no file name"
    remedy = f"Name the file of your key in {FILE_VARIABLE}, or make one: certify keys new"
    if kind == "public":
        remedy = "Name a file with the public key, or give the key itself; certify keys export shows yours"
    return SigningKeyError(shown, None, f"cannot be read: {why}", remedy, ProblemKind.MISSING)


def _malformed(pem: bytes, shown: str, *, encrypted: bool) -> SigningKeyError:
    if b"PUBLIC KEY" in pem:
        problem = "is a public key: it verifies, and cannot sign"
        return SigningKeyError(shown, None, problem, f"Name the private one in {FILE_VARIABLE}")
    if encrypted and b"ENCRYPTED" in pem:
        problem = "does not open with this passphrase, or is damaged"
        return SigningKeyError(shown, None, problem, f"Look at {PASSPHRASE_VARIABLE}")
    problem = "is no private key as PEM (PKCS 8)"
    return SigningKeyError(shown, None, problem, _NEW)


def _passphrase_error(shown: str, *, given: bool) -> SigningKeyError:
    if given:
        problem = f"is not encrypted, though {PASSPHRASE_VARIABLE} is set"
        return SigningKeyError(
            shown, "passphrase", problem, f"Unset {PASSPHRASE_VARIABLE}, or encrypt the key"
        )
    problem = "is encrypted"
    return SigningKeyError(shown, "passphrase", problem, f"Set its passphrase in {PASSPHRASE_VARIABLE}")


def _private_given(shown: str) -> SigningKeyError:
    problem = "is a private key: keep it to yourself, verifying needs the public one"
    return SigningKeyError(shown, None, problem, "Write that: certify keys export > FILE")
