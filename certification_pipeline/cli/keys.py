"""``certify keys``: make the key that signs evidence, and show the public key that others verify with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from certification_pipeline.cli import options
from certification_pipeline.cli.options import Format

if TYPE_CHECKING:
    from pydantic import JsonValue

    from certification_pipeline.evidence.seal.keys import PublicKey

keys_app = typer.Typer(
    no_args_is_help=True, help="The key that signs evidence, and the one that verifies it."
)

NewFile = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="Where to. [~/.config/certify/signing.pem]")
]
KeyFile = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="A private or public key. [the one in use, or the default]"),
]


@keys_app.command("new")
def keys_new(
    file: NewFile = None,
    evidence_dir: options.EvidenceDir = None,
    form: options.Formatted = Format.TABLE,
) -> None:
    """Make an Ed25519 key outside the evidence; never over one that is there.

    Encrypted when CERTIFY_SIGNING_KEY_PASSPHRASE is set. The public key lies beside it, as FILE.pub.
    """
    from certification_pipeline.evidence.seal.keys import (  # noqa: PLC0415 - lazy on purpose
        FILE_VARIABLE,
        Signer,
        default_path,
        public_path,
        refuse_inside,
    )
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(evidence_dir=evidence_dir)
    path = (file.expanduser() if file else default_path()).absolute()
    refuse_inside(path, settings.evidence_dir)
    passphrase = settings.signing_key_passphrase
    signer = Signer.generate()
    signer.save(path, passphrase.get_secret_value() if passphrase else None)
    made: dict[str, JsonValue] = {
        "private_key_file": str(path),
        "public_key_file": str(public_path(path)),
        "encrypted": passphrase is not None,
    }
    _answer(signer.public_key, form, made)
    if form is Format.TABLE:
        typer.echo(f"\nSign with it: export {FILE_VARIABLE}={path}", err=True)
        typer.echo("Publish the public key where readers of your evidence trust it, not beside it.", err=True)


@keys_app.command("show")
def keys_show(file: KeyFile = None, form: options.Formatted = Format.TABLE) -> None:
    """Show the public key and its id; the private one is never shown."""
    _answer(_public_key(file), form, {})


@keys_app.command("export")
def keys_export(file: KeyFile = None, form: options.Formatted = Format.TABLE) -> None:
    """Write the public key alone to standard output, as PEM, for `certify verify --key` and OpenSSL."""
    key = _public_key(file)
    if form is Format.JSON:
        _answer(key, form, {})
    else:
        sys.stdout.write(key.pem)


def _public_key(file: Path | None) -> PublicKey:
    """Of the file that is named, else of the key in use, else of the default one."""
    from certification_pipeline.evidence.seal.keys import (  # noqa: PLC0415 - lazy on purpose
        SigningKeyError,
        default_path,
        is_private,
        public_path,
        read_public_key,
        read_signer,
    )
    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    signer = settings.signer() if file is None else None
    if signer is not None:
        return signer.public_key
    path = (file.expanduser() if file else default_path()).absolute()
    if not is_private(path):
        return read_public_key(str(path))
    passphrase = settings.signing_key_passphrase
    try:
        opened = read_signer(path, None, passphrase.get_secret_value() if passphrase else None)
    except SigningKeyError as error:
        if error.field == "passphrase" and passphrase is None and public_path(path).exists():
            return read_public_key(str(public_path(path)))
        raise
    assert opened is not None
    return opened.public_key


def _answer(key: PublicKey, form: Format, more: dict[str, JsonValue]) -> None:
    from certification_pipeline.cli.output import emit  # noqa: PLC0415 - lazy on purpose

    if form is Format.JSON:
        emit(
            {
                "key_id": key.key_id,
                "algorithm": "ed25519",
                "raw": key.raw.hex(),
                "public_key": key.pem,
                **more,
            }
        )
        return
    for name, value in more.items():
        typer.echo(
            f"{name.replace('_', ' '):<17} {'yes' if value is True else 'no' if value is False else value}"
        )
    typer.echo(f"{'key id':<17} {key.key_id}")
    typer.echo(f"{'raw':<17} {key.raw.hex()}")
    typer.echo(key.pem.rstrip())
