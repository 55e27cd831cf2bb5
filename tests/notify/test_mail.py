"""Mail against a real SMTP server: in the open, over STARTTLS and SSL, refused, and lost on the way."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from pathlib import Path

import pytest
from pydantic import SecretStr

from certification_pipeline.notify.mail import MailNotifier, Security, Server
from certification_pipeline.notify.notifier import NotDelivered
from tests.notify.receivers import (
    PASSWORD,
    Mailbox,
    certificate,
    closed_port,
    mailbox,
    notice,
    shows_no_canary,
)

pytestmark = pytest.mark.integration

FROM, TO = "Certification <certify@pipeline.example>", "On Call <oncall@team.example>"


def notifier(
    box: Mailbox | int, security: Security = Security.PLAIN, *, login: bool = False, ca: Path | None = None
) -> MailNotifier:
    port = box if isinstance(box, int) else box.port
    who = ("certify", SecretStr(PASSWORD)) if login else (None, None)
    return MailNotifier(Server("127.0.0.1", port, security, *who, ca_file=ca), FROM, TO)


def refused(one: MailNotifier) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        one.send(notice())
    return caught.value


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def test_plain_text_and_html_say_the_same() -> None:
    hostile = "lost id=17: expected <script>alert(1)</script>, found 'Ω é'"
    with mailbox() as box:
        notifier(box).send(notice(text=(hostile,)))
    (mail,) = box.mails
    assert mail["Subject"] == "RED: reference 0.1.0, release daily-2026-11-20 may not go out"
    assert (mail["To"], mail["From"]) == (TO, FROM)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert hostile in part(mail, "plain")
    page = part(mail, "html")
    assert "<script>" not in page
    assert "expected &lt;script&gt;" in page
    assert "Ω é" in page
    for text in (part(mail, "plain"), page):
        assert "certify show --release-id daily-2026-11-20" in text
        assert "https://dagster.example/assets/verdict/reference/release_summary" in text


def test_the_same_notice_has_one_identity_and_a_thread_has_one_root() -> None:
    with mailbox() as box:
        for key in ("red", "red", "green"):
            notifier(box).send(notice(key))
    first, again, green = box.mails
    assert first["Message-ID"] == again["Message-ID"] != green["Message-ID"]
    assert first["Message-ID"].endswith("@pipeline.example>")
    assert first["References"] == green["References"] == green["In-Reply-To"]
    assert first["References"] not in (first["Message-ID"], green["Message-ID"])


def test_starttls_encrypts_before_anything_is_said(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with mailbox(pem, offers_tls=True, needs_login=True) as box:
        notifier(box, Security.STARTTLS, login=True, ca=pem).send(notice())
    assert box.encrypted == [True]
    assert base64.b64decode(box.logins[0]) == f"\0certify\0{PASSWORD}".encode()
    assert PASSWORD not in str(box.mails[0])


def test_ssl_from_the_start(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with mailbox(pem, ssl_from_start=True) as box:
        notifier(box, Security.SSL, ca=pem).send(notice())
    assert box.encrypted == [True]


def test_a_server_without_starttls_gets_no_password_and_no_mail() -> None:
    with mailbox(needs_login=True) as box:
        error = refused(notifier(box, Security.STARTTLS, login=True))
    assert "STARTTLS" in str(error)
    assert (box.logins, box.mails) == ([], [])


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.SSL])
def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path, security: Security) -> None:
    started = security is Security.SSL
    with mailbox(certificate(tmp_path), ssl_from_start=started, offers_tls=not started) as box:
        error = refused(notifier(box, security))
    assert "certificate is not trusted" in str(error)
    assert not box.mails


@pytest.mark.parametrize(
    ("how", "told", "in_doubt"),
    [
        ("rcpt", "550 no such user", False),
        ("data", "451 greylisted", False),
        ("vanish", "never confirmed", True),
    ],
)
def test_refused_and_in_doubt_are_told_apart(how: str, told: str, in_doubt: bool) -> None:
    with mailbox(refuses=how) as box:
        error = refused(notifier(box))
    assert told in str(error)
    assert error.in_doubt is in_doubt
    assert len(box.mails) == in_doubt


def test_nobody_there() -> None:
    error = refused(notifier(closed_port()))
    assert "cannot be reached" in str(error)
    assert not error.in_doubt


def test_nothing_shows_the_password(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with mailbox(pem, offers_tls=True, needs_login=True) as box:
        one = notifier(box, Security.STARTTLS, login=True, ca=pem)
        one.send(notice())
    shows_no_canary(one, one._server)


def test_a_title_cannot_add_headers() -> None:
    with mailbox() as box:
        notifier(box).send(notice(title="RED\r\nBcc: everybody@evil.example"))
    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "RED  Bcc: everybody@evil.example"
