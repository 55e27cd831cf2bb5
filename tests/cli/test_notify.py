"""``certify notify`` as cron and a person use it, against a real webhook."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Certify
from tests.levels.ledgers import released
from tests.notify.receivers import Webhook, always, keeps_no_canary, shows_no_canary, webhook


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CERTIFY_LEVELS_CACHE", "")
        released(root, 0, red=True)
    return root


@pytest.fixture
def red(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERTIFY_LEVELS_CACHE", "")
    shutil.copytree(made, tmp_path / "evidence")
    return tmp_path / "evidence"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as found:
        monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_URL", found.url)
        yield found


def test_a_dry_run_shows_every_word_and_writes_nothing(certify: Certify, red: Path, hook: Webhook) -> None:
    answer = certify("notify", "--dry-run", "--evidence-dir", red)
    assert answer.code == 0
    assert "RED: reference 0.1.0, release release-00 may not go out" in answer.out
    assert "What to do:" in answer.out
    assert "would be sent" in answer.out
    assert not hook.asked
    assert not (red / "notices").exists()


def test_each_is_told_once_and_verify_knows_the_record(certify: Certify, red: Path, hook: Webhook) -> None:
    first = json.loads(certify("notify", "--evidence-dir", red, "--format", "json").out)
    assert [(one["receiver"], one["state"]) for one in first["told"]] == [("slack", "sent")]
    again = json.loads(certify("notify", "--evidence-dir", red, "--format", "json").out)
    assert [one["state"] for one in again["told"]] == ["known"]
    assert len(hook.taken) == 1
    assert "notices" not in certify("verify", red).out
    keeps_no_canary(red)


def test_a_receiver_that_cannot_be_reached_is_one_and_says_why(
    certify: Certify, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with webhook(always(404, "no_service")) as hook:
        monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_URL", hook.url)
        answer = certify("notify", "--evidence-dir", red)
    assert answer.code == 1
    assert "answered 404 “no_service”" in answer.out
    shows_no_canary(answer.out, answer.err)


def test_the_test_notice_reaches_whoever_filters(
    certify: Certify, tmp_path: Path, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_SEVERITY", "critical")
    for _ in range(2):
        assert certify("notify", "--test", "--evidence-dir", tmp_path).code == 0
    assert [one["text"] for one in hook.taken] == [
        "*Test: notices of certification_pipeline arrive here*",
        "*Test: notices of certification_pipeline arrive here*",
    ]


def test_nobody_to_tell_and_a_wrong_variable_are_usage(
    certify: Certify, red: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = certify("notify", "--evidence-dir", red)
    assert answer.code == 2
    assert "no receiver is configured" in answer.err
    monkeypatch.setenv("CERTIFY_NOTIFY_SLACK_SEVERITY", "loud")
    answer = certify("notify", "--evidence-dir", red)
    assert (answer.code, "Traceback" in answer.err) == (2, False)
    assert "CERTIFY_NOTIFY_SLACK_SEVERITY" in answer.err


def test_a_broken_ledger_is_three_and_hides_no_red_gate(certify: Certify, red: Path, hook: Webhook) -> None:
    next((red / "chain").glob("*/000001__*")).unlink()
    answer = certify("notify", "--evidence-dir", red)
    assert answer.code == 3
    assert "could not be looked at: chain/reference" in answer.out
    assert [one["text"][:4] for one in hook.taken] == ["*RED"]
