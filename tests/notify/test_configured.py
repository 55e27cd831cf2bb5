"""Variables: several receivers at once, filters, secrets from files, and every mistake named."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from certification_pipeline.notify.configured import NotifySettings, configured
from certification_pipeline.notify.mail import Security
from certification_pipeline.notify.notice import NoticeKind, Severity
from certification_pipeline.settings import SettingsError
from tests.notify.receivers import PASSWORD, TOKEN, notice, shows_no_canary

HOOK = f"https://hooks.example/services/{TOKEN}"
MAIL = {"MAIL_TO": "a@b.example", "MAIL_FROM": "c@d.example", "MAIL_HOST": "mail.example"}


def given(patch: pytest.MonkeyPatch, **variables: object) -> None:
    for name, value in variables.items():
        patch.setenv(f"CERTIFY_NOTIFY_{name}", str(value))


def test_nobody_is_told_unless_somebody_is_named() -> None:
    assert configured().receivers == ()


def test_an_empty_variable_is_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **{name.upper(): "" for name in NotifySettings.model_fields})
    given(monkeypatch, SLACK_URL_FILE="", MAIL_PASSWORD_FILE="")
    found = configured()
    assert found.receivers == ()
    assert found.settings.expiring_days == 7


def test_several_at_once_each_with_its_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    given(
        monkeypatch,
        SLACK_URL=f"{HOOK} {HOOK}/2",
        SLACK_KINDS="red_gate, missed_tick",
        SLACK_SEVERITY="warning",
    )
    given(monkeypatch, **MAIL | {"MAIL_TO": "a@b.example, Zed <z@b.example>"}, LOG="true")
    found = configured()
    assert [one.name for one in found.receivers] == [
        "slack",
        "slack-2",
        "mail:a@b.example",
        "mail:z@b.example",
        "log",
    ]
    slack, mail = found.receivers[0].wanted, found.receivers[2].wanted
    assert slack.takes(notice())
    assert not slack.takes(notice(kind=NoticeKind.DEMOTION))
    assert not slack.takes(notice(severity=Severity.INFO))
    assert mail.takes(notice(kind=NoticeKind.DEMOTION, severity=Severity.INFO))


def test_secrets_come_from_files_and_are_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "hook").write_text(f"{HOOK}\n")
    (tmp_path / "password").write_text(PASSWORD)
    given(monkeypatch, SLACK_URL_FILE=tmp_path / "hook", **MAIL, MAIL_USER="certify")
    given(monkeypatch, MAIL_PASSWORD_FILE=tmp_path / "password")
    found = configured()
    assert [one.name for one in found.receivers] == ["slack", "mail:a@b.example"]
    shows_no_canary(found, found.settings, found.receivers)
    shows_no_canary(found.redactor.redact_text(f"{HOOK} {TOKEN} {PASSWORD} {TOKEN.rpartition('/')[2]}"))


def test_what_is_short_in_an_address_is_masked_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, SLACK_URL="https://hooks.example/short/Zk7-canary?key=q8-canary")
    told = configured().redactor.redact_text("POST /short/Zk7-canary failed; key=q8-canary was asked for")
    assert "canary" not in told


def test_ports_follow_from_the_security(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **MAIL)
    for security, port in ((Security.STARTTLS, 587), (Security.SSL, 465), (Security.PLAIN, 25)):
        given(monkeypatch, MAIL_SECURITY=security.value)
        (receiver,) = configured().receivers
        assert f"port={port}" in repr(vars(receiver.notifier)["_server"])


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SLAK_URL": HOOK}, "did you mean CERTIFY_NOTIFY_SLACK_URL?"),
        (
            {"SLACK_URL": f"hooks.example/{TOKEN}"},
            "CERTIFY_NOTIFY_SLACK_URL: holds something that is no http",
        ),
        ({"SLACK_URL": f"http://hooks.example/{TOKEN}"}, "would cross the network in the open"),
        ({"SLACK_KINDS": "red"}, "CERTIFY_NOTIFY_SLACK_KINDS: "),
        ({"SLACK_SEVERITY": "loud"}, "CERTIFY_NOTIFY_SLACK_SEVERITY: "),
        ({"MAIL_TO": "a@b.example"}, "CERTIFY_NOTIFY_MAIL_HOST: is missing"),
        (MAIL | {"MAIL_FROM": ""}, "CERTIFY_NOTIFY_MAIL_FROM: is missing"),
        ({"MAIL_HOST": "mail.example"}, "CERTIFY_NOTIFY_MAIL_TO: is missing"),
        (MAIL | {"MAIL_TO": "nobody"}, "CERTIFY_NOTIFY_MAIL_TO: holds something that is no mail address"),
        (MAIL | {"MAIL_TO": "ä@b.example"}, "in ASCII"),
        (MAIL | {"MAIL_USER": "certify"}, "belong together"),
        (
            MAIL | {"MAIL_USER": "u", "MAIL_PASSWORD": PASSWORD, "MAIL_SECURITY": "plain"},
            "CERTIFY_NOTIFY_MAIL_SECURITY: is plain: a password would cross",
        ),
        (MAIL | {"MAIL_PORT": "0"}, "CERTIFY_NOTIFY_MAIL_PORT: "),
        ({"LINK": "dagster.example"}, "CERTIFY_NOTIFY_LINK: is no http"),
        ({"EXPIRING_DAYS": "-1"}, "CERTIFY_NOTIFY_EXPIRING_DAYS: "),
        (
            {"SLACK_URL_FILE": "/nonexistent/hook"},
            "CERTIFY_NOTIFY_SLACK_URL_FILE: cannot read /nonexistent/hook",
        ),
        ({"SLACK_URL_FILE": "/dev/null"}, "is empty"),
        ({"SLACK_URL_FILE": "/dev/null", "SLACK_URL": HOOK}, "are both set"),
    ],
)
def test_each_mistake_is_named_with_its_variable_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    given(monkeypatch, **variables)
    with pytest.raises(SettingsError) as caught:
        configured()
    assert told in str(caught.value)
    assert caught.value.remedy
    shows_no_canary("".join(traceback.format_exception(caught.value)))
