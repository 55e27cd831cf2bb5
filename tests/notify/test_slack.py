"""Webhooks against a real receiver that is busy, broken, picky, silent or gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from certification_pipeline.notify import slack
from certification_pipeline.notify.notifier import NotDelivered
from certification_pipeline.notify.slack import SlackNotifier, payload
from tests.notify.receivers import (
    TOKEN,
    Answer,
    Webhook,
    always,
    closed_port,
    notice,
    shows_no_canary,
    webhook,
)

pytestmark = pytest.mark.integration


def notifier(hook: Webhook | str, slept: list[float] | None = None) -> SlackNotifier:
    url = hook if isinstance(hook, str) else hook.url
    return SlackNotifier(SecretStr(url), sleep=(slept if slept is not None else []).append)


def refused(hook: Webhook | str, slept: list[float] | None = None) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        notifier(hook, slept).send(notice())
    shows_no_canary(caught.value)
    return caught.value


def one_then(first: Answer) -> Answer:
    return lambda asked: first(asked) if asked == 0 else (200, {}, "ok")


def test_what_arrives_reads_as_the_notice() -> None:
    with webhook() as hook:
        notifier(hook).send(notice())
    assert hook.asked == [f"/services/{TOKEN}"]
    (posted,) = hook.taken
    assert posted["text"] == "*RED: reference 0.1.0, release daily-2026-11-20 may not go out*"
    (attached,) = posted["attachments"]
    assert attached["color"] == "#e01e5a"
    assert "certification_report.not_passed: 3 cells failed" in attached["text"]
    assert "certify show --release-id daily-2026-11-20" in attached["text"]
    assert "https://dagster.example/assets/verdict/reference/release_summary" in attached["text"]


@pytest.mark.parametrize(
    ("header", "waited"),
    [({"Retry_After": "3"}, 3.0), ({}, 1.0), ({"Retry_After": "soon"}, 1.0)],
)
def test_busy_is_asked_again_when_it_said(header: dict[str, str], waited: float) -> None:
    slept: list[float] = []
    with webhook(one_then(always(429, "slow down", **header))) as hook:
        notifier(hook, slept).send(notice())
    assert (slept, len(hook.asked), len(hook.taken)) == ([waited], 2, 1)


def test_a_date_to_come_again_is_understood() -> None:
    slept: list[float] = []
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    with webhook(one_then(always(503, Retry_After=later))) as hook:
        notifier(hook, slept).send(notice())
    assert len(hook.taken) == 1
    assert 0 <= slept[0] <= 10


def test_who_asks_for_minutes_is_left_to_a_later_pass() -> None:
    slept: list[float] = []
    with webhook(always(429, Retry_After="600")) as hook:
        error = refused(hook, slept)
        assert len(hook.asked) == 1
    assert not slept
    assert not error.in_doubt
    assert "asks to wait 600 s" in str(error)


def test_broken_is_tried_three_times_and_then_told() -> None:
    slept: list[float] = []
    with webhook(always(500, "internal_error")) as hook:
        error = refused(hook, slept)
        assert len(hook.asked) == 3
    assert slept == [1.0, 2.0]
    assert "answered 500 “internal_error”" in str(error)


def test_a_redirect_is_refused_and_the_secret_stays_here() -> None:
    with webhook() as elsewhere, webhook(always(307, Location=elsewhere.url)) as hook:
        error = refused(hook)
        assert elsewhere.asked == []
    assert "points elsewhere" in str(error)


@pytest.mark.parametrize(("status", "body"), [(404, "no_service"), (403, "invalid_token"), (400, "")])
def test_a_wrong_address_is_told_once(status: int, body: str) -> None:
    with webhook(always(status, body)) as hook:
        error = refused(hook)
        assert len(hook.asked) == 1
    assert str(status) in str(error)
    assert body in str(error)
    assert not error.in_doubt


def test_nobody_there() -> None:
    error = refused(f"http://127.0.0.1:{closed_port()}/services/{TOKEN}")
    assert "cannot be reached" in str(error)
    assert "refused" in str(error).lower(), "why, in the system's words"
    assert not error.in_doubt


@pytest.mark.parametrize("url", [f"ftp://127.0.0.1/{TOKEN}", f"/{TOKEN}"])
def test_no_address_at_all(url: str) -> None:
    assert "address" in str(refused(url))


def test_silence_after_taking_it_is_a_doubt_and_no_reason_to_post_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slack, "ANSWER_SECONDS", 0.2)
    with webhook(lambda _: (-1, {}, "")) as hook:
        error = refused(hook)
        assert len(hook.taken) == 1
    assert error.in_doubt
    assert "did not answer" in str(error)


@settings(max_examples=25)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_evidence_mentions_anybody_or_makes_a_link(title: str, text: str) -> None:
    hostile = f"{text} <!channel> <https://evil.example|look> @here @Channel & done"
    posted = payload(notice(title=f"{title} <!here> @all", text=(hostile,)))
    shown = [str(posted["text"])]
    attachments = posted["attachments"]
    assert isinstance(attachments, list)
    shown += [str(attachments[0][name]) for name in ("fallback", "text", "footer")]
    for one in shown:
        assert "<" not in one
        assert ">" not in one
        for everybody in ("@here", "@channel", "@all", "@everyone"):
            assert everybody not in one.lower()
