"""E-mail over SMTP: one mail a recipient, plain text with an HTML part, threaded by the notice's key."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from html import escape
from pathlib import Path

from pydantic import SecretStr

from certification_pipeline.notify import words
from certification_pipeline.notify.notice import Notice, Severity
from certification_pipeline.notify.notifier import NotDelivered

TIMEOUT_SECONDS = 10.0
_ACCEPTED = 250
_COLOURS = {Severity.INFO: "#1f7a4d", Severity.WARNING: "#8a5a00", Severity.CRITICAL: "#b3123b"}


class Security(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    """Begun in the open, then encrypted; a server that does not offer it gets nothing."""
    SSL = "ssl"
    PLAIN = "plain"


@dataclass(frozen=True)
class Server:
    """Where mail is handed in."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""


class MailNotifier:
    """Mails one person or list."""

    def __init__(self, server: Server, sender: str, recipient: str) -> None:
        self.receiver = f"mail:{parseaddr(recipient)[1]}"
        self._server, self._sender, self._recipient = server, sender, recipient

    def __repr__(self) -> str:
        return f"MailNotifier({self.receiver})"

    def send(self, notice: Notice) -> None:
        """One conversation with the server; what is refused for now is tried by a later pass."""
        message = letter(notice, self._sender, self._recipient)
        try:
            smtp = self._connected()
        except smtplib.SMTPNotSupportedError:
            raise NotDelivered("the server does not offer STARTTLS or a login: nothing was sent") from None
        except smtplib.SMTPException as error:
            raise NotDelivered(f"the server refused: {_told(error)}") from None
        except ssl.SSLCertVerificationError as error:
            raise NotDelivered(f"its certificate is not trusted: {error.verify_message}") from None
        except OSError as error:
            raise NotDelivered(f"the server cannot be reached: {error.strerror or error}") from None
        try:
            self._hand_in(smtp, message)
        finally:
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        if server.security is Security.SSL:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
        try:
            if server.security is Security.STARTTLS:
                smtp.starttls(context=context)
            if server.user is not None and server.password is not None:
                smtp.login(server.user, server.password.get_secret_value())
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _hand_in(self, smtp: smtplib.SMTP, message: EmailMessage) -> None:
        """Up to DATA nothing is delivered; once the text is on its way and no answer comes, it may be."""
        try:
            smtp.ehlo_or_helo_if_needed()
            for code, answer in (
                smtp.mail(parseaddr(self._sender)[1]),
                smtp.rcpt(parseaddr(self._recipient)[1]),
            ):
                if code // 100 != 2:  # noqa: PLR2004 - SMTP: 2xx is yes
                    raise NotDelivered(f"the server refused: {code} {_text(answer)}")
        except (smtplib.SMTPException, OSError) as error:
            raise NotDelivered(f"the server broke off: {_told(error)}") from None
        try:
            code, answer = smtp.data(message.as_bytes(policy=SMTP_LINES))
        except smtplib.SMTPDataError as error:
            raise NotDelivered(f"the server refused: {_told(error)}") from None
        except (smtplib.SMTPException, OSError) as error:
            told = f"the server took the mail and never confirmed it: {_told(error)}"
            raise NotDelivered(told, in_doubt=True) from None
        if code != _ACCEPTED:
            raise NotDelivered(f"the server refused: {code} {_text(answer)}")


def letter(notice: Notice, sender: str, recipient: str) -> EmailMessage:
    """The mail. The same notice has the same Message-ID, so that clients show a mail sent twice once."""
    message = EmailMessage(policy=SMTP_LINES)
    message["Subject"] = words.title(notice)
    message["From"] = sender
    message["To"] = recipient
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = _identity(notice.key, sender)
    if notice.thread:
        # No mail has this id itself: clients thread by common references (RFC 5322, 3.6.4; JWZ).
        root = _identity(f"thread {notice.thread}", sender)
        message["In-Reply-To"] = root
        message["References"] = root
    message["Auto-Submitted"] = "auto-generated"
    message["X-Certify-Kind"] = notice.kind.value
    message["X-Certify-Severity"] = notice.severity.value
    if notice.severity is Severity.CRITICAL:
        message["Importance"] = "high"
    message.set_content(words.body(notice) + "\n")
    message.add_alternative(_page(notice), subtype="html")
    return message


def _identity(key: str, sender: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()[:40]
    return f"<certify.{digest}@{parseaddr(sender)[1].rpartition('@')[2]}>"


def _page(notice: Notice) -> str:
    """Everything escaped, styles inline: what mail clients show."""
    mono = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px"
    paragraphs = "".join(
        f'<p style="white-space:pre-wrap;margin:0 0 12px">{_html(text)}</p>' for text in notice.text
    )
    steps = "".join(f'<li style="{mono}">{_html(step)}</li>' for step in notice.what_to_do)
    todo = f'<p style="margin:0 0 4px"><b>What to do</b></p><ol>{steps}</ol>' if steps else ""
    link = notice.link or ""
    look = f'<p><a href="{escape(link)}">{_html(link)}</a></p>' if link.startswith("http") else _html(link)
    return (
        '<!doctype html><html><body style="font-family:system-ui,sans-serif;font-size:14px;color:#1d1d1f">'
        f'<h2 style="font-size:17px;border-left:4px solid {_COLOURS[notice.severity]};padding-left:8px">'
        f"{_html(words.title(notice))}</h2>{paragraphs}{todo}{look}"
        f'<p style="color:#6e6e73">{_html(notice.subject)} · {notice.kind} · '
        f"{notice.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC</p></body></html>\n"
    )


def _html(text: str) -> str:
    return escape(words.printable(text))


def _told(error: BaseException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return words.cut(words.printable(str(error)), 120) or type(error).__name__


def _text(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return words.cut(words.printable(" ".join(text.split())), 120)
