"""A private key that every test may use, and every spelling in which it must not be found anywhere."""

from __future__ import annotations

import base64
from pathlib import Path

from certification_pipeline.evidence.seal.keys import Signer

SEED = bytes(range(32))
# RFC 8410: PKCS 8 of an Ed25519 key is a fixed head and the 32 bytes.
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n".format(
    base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + SEED).decode()
)
SECRETS = (PEM.splitlines()[1], base64.b64encode(SEED).decode().rstrip("="), SEED.hex(), "PRIVATE KEY-----")
SIGNER = Signer.from_pem(PEM.encode(), "canary")


def shows_nothing(shown: object) -> None:
    """Neither as text nor as its representation."""
    for secret in SECRETS:
        assert secret not in str(shown)
        assert secret not in repr(shown)


def holds_nothing(root: Path) -> None:
    """No file below ``root`` does."""
    files = [path for path in root.rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        assert SEED not in data, path
        for secret in SECRETS:
            assert secret.encode() not in data, path
