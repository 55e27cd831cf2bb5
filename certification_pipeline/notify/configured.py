"""Receivers from ``CERTIFY_NOTIFY_*`` variables; several at once, each with a filter of its own.

A secret may be given as ``…_FILE``, the name of a file that holds it. No message here ever shows a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from certification_pipeline.notify.logged import LogNotifier
from certification_pipeline.notify.mail import MailNotifier, Security, Server
from certification_pipeline.notify.notice import NoticeKind, Severity
from certification_pipeline.notify.notifier import Receiver, Wanted
from certification_pipeline.redaction import Redactor
from certification_pipeline.settings import SettingsError

PREFIX = "CERTIFY_NOTIFY_"
_FILE = "_file"
_SECRETS = ("slack_url", "mail_password")
_LARGEST_SECRET = 4096
_PORTS = {Security.STARTTLS: 587, Security.SSL: 465, Security.PLAIN: 25}
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_ADDRESS = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")
"""ASCII, one ``@``: what every server takes without an extension."""

Kinds = Annotated[tuple[NoticeKind, ...], NoDecode]
Words = Annotated[tuple[str, ...], NoDecode]


class NotifySettings(BaseSettings):
    """Who is told, of what, and how far back a notice is still news."""

    # An empty variable is what compose files and CI systems make of one that is not there.
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid")

    slack_url: SecretStr | None = Field(
        None, description="address of a Slack-compatible incoming webhook; several: separated by spaces"
    )
    slack_kinds: Kinds = Field((), description="only notices of these kinds, comma-separated")
    slack_severity: Severity = Field(Severity.INFO, description="info, warning or critical: the least")
    mail_to: Words = Field((), description="addresses, comma-separated; each gets a mail of its own")
    mail_from: str | None = Field(None, description="the sender's address")
    mail_host: str | None = Field(None, description="the SMTP server")
    mail_port: int | None = Field(None, ge=1, le=65535, description="its port; by mail_security else")
    mail_security: Security = Field(Security.STARTTLS, description="starttls, ssl or plain")
    mail_user: str | None = Field(None, description="name to log in with")
    mail_password: SecretStr | None = Field(None, description="password to log in with")
    mail_ca_file: Path | None = Field(None, description="certificates to trust instead of the system's")
    mail_kinds: Kinds = Field((), description="only notices of these kinds, comma-separated")
    mail_severity: Severity = Field(Severity.INFO, description="info, warning or critical: the least")
    log: bool = Field(False, description="write notices to the log, too")
    link: str | None = Field(None, description="where Dagster's pages are, e.g. https://dagster.example")
    expiring_days: float = Field(7, gt=0, le=365, description="evidence that expires so soon is told")
    lookback_days: float = Field(3, gt=0, le=30, description="what is older is no news to a new receiver")

    @field_validator("slack_kinds", "mail_kinds", "mail_to", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("slack_url")
    @classmethod
    def _addresses(cls, value: SecretStr | None) -> SecretStr | None:
        for url in _urls(value):
            try:
                parts = urlsplit(url)
                usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                usable = False
            if not usable:
                raise ValueError("holds something that is no http:// or https:// address")
            if parts.scheme == "http" and parts.hostname not in _LOCAL:
                raise ValueError(
                    "is http://: the address is a secret and would cross the network in the open"
                )
        return value

    @field_validator("link")
    @classmethod
    def _a_page(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s@<>\"]+", value):
            raise ValueError("is no http:// or https:// address without credentials")
        return value.rstrip("/") if value else value

    @field_validator("mail_to", "mail_from")
    @classmethod
    def _mailable(cls, value: tuple[str, ...] | str | None) -> tuple[str, ...] | str | None:
        for one in (value,) if isinstance(value, str) else value or ():
            if not one.isascii() or "\n" in one or "\r" in one or not _ADDRESS.fullmatch(parseaddr(one)[1]):
                raise ValueError("holds something that is no mail address (in ASCII)")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.mail_to and not self.mail_host:
            raise ValueError("mail_host is missing: mail_to says whom to mail, nothing says through what")
        if self.mail_to and not self.mail_from:
            raise ValueError("mail_from is missing: mail needs a sender")
        if self.mail_host and not self.mail_to:
            raise ValueError("mail_to is missing: mail_host alone mails nobody")
        if (self.mail_user is None) != (self.mail_password is None):
            raise ValueError("mail_user and mail_password belong together: one of them is missing")
        in_the_open = self.mail_security is Security.PLAIN and self.mail_host not in _LOCAL
        if self.mail_password is not None and in_the_open:
            raise ValueError("mail_security is plain: a password would cross the network in the open")
        return self


class Configured(NamedTuple):
    """Everybody who is told, and what masks their secrets."""

    settings: NotifySettings
    receivers: tuple[Receiver, ...]
    redactor: Redactor


def configured() -> Configured:
    """From the environment; no receiver is fine. Raises ``SettingsError`` naming the variable."""
    settings = _settings()
    redactor = Redactor()
    receivers: list[Receiver] = []
    if settings.slack_url is not None:
        for url in _urls(settings.slack_url):
            _keep_secret(redactor, url)
        receivers += _webhooks(settings)
    if settings.mail_password is not None:
        redactor.register(settings.mail_password.get_secret_value())
    if settings.mail_host and settings.mail_from:
        server = Server(
            settings.mail_host,
            settings.mail_port or _PORTS[settings.mail_security],
            settings.mail_security,
            settings.mail_user,
            settings.mail_password,
            settings.mail_ca_file,
        )
        wanted = Wanted(settings.mail_kinds, settings.mail_severity)
        receivers += [
            Receiver(MailNotifier(server, settings.mail_from, address), wanted)
            for address in dict.fromkeys(settings.mail_to)
        ]
    if settings.log:
        receivers.append(Receiver(LogNotifier()))
    return Configured(settings, tuple(receivers), redactor)


def _webhooks(settings: NotifySettings) -> Iterator[Receiver]:
    from certification_pipeline.notify.slack import SlackNotifier  # noqa: PLC0415 - an HTTP client

    wanted = Wanted(settings.slack_kinds, settings.slack_severity)
    for number, url in enumerate(_urls(settings.slack_url), 1):
        name = "slack" if number == 1 else f"slack-{number}"
        yield Receiver(SlackNotifier(SecretStr(url), name), wanted)


def _settings() -> NotifySettings:
    _refuse_unknown()
    from_files = {name: _read(name) for name in _SECRETS if os.environ.get(_variable(name + _FILE))}
    try:
        return NotifySettings(**from_files)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        said = str(first["msg"]).removeprefix("Value error, ")
        if not field:  # between fields: the message begins with the one to mend
            field, _, said = said.partition(" ")
        about = NotifySettings.model_fields[field].description if field in NotifySettings.model_fields else ""
        raise SettingsError(f"{_variable(field)}: {said}", f"{field} is: {about}") from None


def _refuse_unknown() -> None:
    """A typing error in a variable's name would leave a receiver out in silence."""
    known = [_variable(name) for name in NotifySettings.model_fields]
    known += [_variable(name + _FILE) for name in _SECRETS]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
            raise SettingsError(f"{name} is no setting", remedy)


def _read(name: str) -> str:
    variable = _variable(name + _FILE)
    if os.environ.get(_variable(name)):
        raise SettingsError(f"{variable} and {_variable(name)} are both set", "set one of them")
    path = Path(os.environ[variable])
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(
            f"{variable}: cannot read {path}: {told}", "name a file that this user can read"
        ) from None
    if not text.strip() or len(text) > _LARGEST_SECRET:
        raise SettingsError(
            f"{variable}: {path} is empty or longer than a secret", "put just the secret into it"
        )
    return text.strip()


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _urls(secret: SecretStr | None) -> list[str]:
    return list(dict.fromkeys(secret.get_secret_value().split())) if secret else []


def _keep_secret(redactor: Redactor, url: str) -> None:
    """The whole address, and its path and query, which are what must not be known."""
    redactor.register(url)
    parts = urlsplit(url)
    redactor.register(parts.path.strip("/"))
    redactor.register(parts.query)
    for piece in parts.path.split("/"):
        if len(piece) >= 16:  # noqa: PLR2004 - a token, not a word such as `services`
            redactor.register(piece)
