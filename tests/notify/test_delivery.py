"""Each notice once per receiver: twice evaluated, killed on the way, failing, hanging, and two at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.notify.delivery import MOST_DOUBTS, State, Told, deliver, preview
from certification_pipeline.notify.mail import MailNotifier, Security, Server
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from certification_pipeline.notify.notifier import NotDelivered, Receiver, Wanted
from certification_pipeline.notify.record import Event, Record
from certification_pipeline.notify.slack import SlackNotifier
from certification_pipeline.redaction import Redactor
from tests.notify.receivers import (
    PASSWORD,
    START,
    TOKEN,
    always,
    closed_port,
    keeps_no_canary,
    mailbox,
    notice,
    shows_no_canary,
    webhook,
)


class Spoken:
    """Stands for any receiver: takes, refuses or hangs as it is told, and remembers."""

    def __init__(self, name: str = "ear", answers: Sequence[str] = ()) -> None:
        self.receiver = name
        self.answers = list(answers)
        self.heard: list[str] = []

    def send(self, told: Notice) -> None:
        answer = self.answers.pop(0) if self.answers else "ok"
        if answer in ("ok", "doubt"):
            self.heard.append(told.key)
        if answer == "doubt":
            raise NotDelivered("hung", in_doubt=True)
        if answer == "no":
            raise NotDelivered("busy")
        if answer == "bug":
            raise RuntimeError(f"has {TOKEN} in it")


def states(told: list[Told]) -> list[State]:
    return [one.state for one in told]


def tell(
    root: Path, *ears: Spoken, keys: Sequence[str] = ("a",), minutes: float = 0, **options: bool
) -> list[Told]:
    now = START + timedelta(minutes=minutes)
    receivers = [Receiver(ear) for ear in ears]
    return deliver(root, [notice(key) for key in keys], receivers, now=now, **options)


def events(root: Path) -> list[Event]:
    return [line.event for line in Record(root).lines()]


def test_evaluated_twice_is_told_once(tmp_path: Path) -> None:
    ear, other = Spoken(), Spoken("other")
    assert states(tell(tmp_path, ear)) == [State.SENT]
    assert states(tell(tmp_path, ear, other, keys=("a", "b"))) == [
        State.KNOWN,
        State.SENT,
        State.SENT,
        State.SENT,
    ]
    assert (ear.heard, other.heard) == (["a", "b"], ["a", "b"])
    assert b"\n\n" not in Record(tmp_path).path.read_bytes(), "a line an event"


def test_a_receiver_that_fails_holds_nobody_up_and_is_tried_at_the_next_tick(tmp_path: Path) -> None:
    deaf, ear = Spoken("deaf", ["no"]), Spoken()
    first = tell(tmp_path, deaf, ear, keys=("a", "b"))
    assert [(one.receiver, one.state) for one in first] == [
        ("deaf", State.FAILED),
        ("ear", State.SENT),
        ("deaf", State.LATER),
        ("ear", State.SENT),
    ]
    tell(tmp_path, deaf, ear, keys=("a", "b"), minutes=1)
    assert (deaf.heard, ear.heard) == (["a", "b"], ["a", "b"])


def test_a_defect_of_a_notifier_is_no_ones_end_and_shows_nothing(tmp_path: Path) -> None:
    broken, ear = Spoken("broken", ["bug"]), Spoken()
    told = tell(tmp_path, broken, ear)
    assert states(told) == [State.FAILED, State.SENT]
    assert told[0].why == "broke: RuntimeError"
    keeps_no_canary(tmp_path)


def test_who_fails_for_long_is_asked_less_and_less_but_a_person_may(tmp_path: Path) -> None:
    dead = Spoken(answers=["no"] * 200)
    tries = sum(states(tell(tmp_path, dead, minutes=5 * n)) == [State.FAILED] for n in range(120))
    assert 10 <= tries <= 20, "ten hours of a dead receiver, a pass every five minutes"
    assert states(tell(tmp_path, dead, minutes=600)) == [State.LATER]
    assert states(tell(tmp_path, dead, minutes=600, eager=True)) == [State.FAILED]


def test_one_that_swallows_and_hangs_is_told_three_times_at_most(tmp_path: Path) -> None:
    hung = Spoken(answers=["doubt"] * 50)
    seen = [states(tell(tmp_path, hung, minutes=90 * n))[0] for n in range(8)]
    assert len(hung.heard) == MOST_DOUBTS
    assert seen[MOST_DOUBTS:] == [State.GIVEN_UP, *[State.KNOWN] * 4]
    assert events(tmp_path)[-1] is Event.GIVEN_UP


KILLED = """
import os, signal, sys
from pathlib import Path
from certification_pipeline.notify.delivery import deliver
from certification_pipeline.notify.notifier import Receiver
from tests.notify.receivers import START, notice
class Heard:
    receiver = "ear"
    def send(self, told):
        with open(sys.argv[2], "a") as heard:
            heard.write(told.key + "\\n")
        if len(sys.argv) > 3:
            os.kill(os.getpid(), signal.SIGKILL)
deliver(Path(sys.argv[1]), [notice("a")], [Receiver(Heard())], now=START)
"""


def run_and_kill(root: Path, *more: str) -> int:
    command = [sys.executable, "-c", KILLED, str(root / "evidence"), str(root / "heard"), *more]
    return subprocess.run(command, check=False).returncode


@pytest.mark.integration
@pytest.mark.nightly
def test_killed_between_sending_and_recording_it_is_told_again_and_then_no_more(tmp_path: Path) -> None:
    assert run_and_kill(tmp_path, "kill") == -9
    assert events(tmp_path / "evidence") == [Event.TRYING]
    assert run_and_kill(tmp_path) == 0
    assert run_and_kill(tmp_path) == 0
    assert (tmp_path / "heard").read_text().split() == ["a", "a"]


@pytest.mark.integration
@pytest.mark.nightly
def test_killed_there_for_ever_it_is_told_a_bounded_number_of_times(tmp_path: Path) -> None:
    for _ in range(MOST_DOUBTS + 2):
        run_and_kill(tmp_path, "kill")
    assert len((tmp_path / "heard").read_text().split()) == MOST_DOUBTS


def test_a_try_that_never_ended_is_tried_again(tmp_path: Path) -> None:
    """As the process tests above, without a process: half of a record, and half of a line."""
    ear = Spoken()
    tell(tmp_path, ear)
    path = Record(tmp_path).path
    first = path.read_bytes().splitlines(keepends=True)[0]
    for left in (first, first + b'{"at":"2026-11-2', first[: len(first) // 2]):
        path.write_bytes(left)
        assert states(tell(tmp_path, ear)) == [State.SENT]
        assert states(tell(tmp_path, ear)) == [State.KNOWN]
    assert len(ear.heard) == 4


def test_tries_that_never_ended_may_each_have_been_heard(tmp_path: Path) -> None:
    """Killed there for ever, without a process: so many halves of a record are told no more."""
    ear = Spoken()
    tell(tmp_path, ear)
    path = Record(tmp_path).path
    first = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(first * (MOST_DOUBTS - 1))
    assert states(tell(tmp_path, ear)) == [State.SENT]
    path.write_bytes(first * MOST_DOUBTS)
    assert states(tell(tmp_path, ear)) == [State.GIVEN_UP]
    assert len(ear.heard) == 2


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["ok", "no", "doubt", "bug"]), max_size=8))
def test_whatever_it_answers_it_hears_a_notice_once_and_at_most_so_often(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str]
) -> None:
    root = tmp_path_factory.mktemp("record")
    ear = Spoken(answers=answers)
    for number in range(len(answers) + 2):
        tell(root, ear, minutes=61 * number)
    counted = Counter(ear.heard)["a"]
    assert counted <= MOST_DOUBTS
    assert counted >= 1 or answers.count("bug") >= MOST_DOUBTS
    before = len(ear.heard)
    tell(root, ear, minutes=10_000)
    assert len(ear.heard) == before


def test_two_passes_at_once_tell_once(tmp_path: Path) -> None:
    inside, go = threading.Event(), threading.Event()

    class Slow(Spoken):
        def send(self, told: Notice) -> None:
            inside.set()
            assert go.wait(30)
            super().send(told)

    ear = Slow()
    answers: list[list[Told]] = []
    first = threading.Thread(target=lambda: answers.append(tell(tmp_path, ear)))
    second = threading.Thread(target=lambda: answers.append(tell(tmp_path, ear)))
    first.start()
    assert inside.wait(30)
    second.start()
    go.set()
    first.join()
    second.join()
    assert ear.heard == ["a"]
    assert sorted(states(answers[0] + answers[1])) == [State.KNOWN, State.SENT]


def test_what_cannot_be_recorded_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "notices").write_text("in the way")
    ear = Spoken()
    with pytest.raises(EvidenceError, match="notices"):
        tell(tmp_path, ear)
    assert not ear.heard
    (tmp_path / "notices").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "notices").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvidenceError, match="symbolic link"):
        tell(tmp_path, ear)
    assert not ear.heard


def test_a_pass_ends_in_time_and_the_next_goes_on(tmp_path: Path) -> None:
    ear = Spoken()
    ticking = iter(range(0, 1000, 12))
    keys = [str(number) for number in range(6)]
    notices = [notice(key) for key in keys]
    told = deliver(tmp_path, notices, [Receiver(ear)], now=START, clock=lambda: float(next(ticking)))
    assert states(told) == [State.SENT, State.SENT, *[State.LATER] * 4]
    deliver(tmp_path, notices, [Receiver(ear)], now=START)
    assert ear.heard == keys


def test_each_hears_what_it_asked_for_the_most_urgent_first(tmp_path: Path) -> None:
    notices = [
        notice("up", kind=NoticeKind.PROMOTION, severity=Severity.INFO),
        notice("late", kind=NoticeKind.MISSED_TICK, severity=Severity.WARNING),
        notice("red"),
        notice("test", kind=NoticeKind.TEST, severity=Severity.INFO),
    ]
    everything, urgent, ticks = Spoken("everything"), Spoken("urgent"), Spoken("ticks")
    receivers = [
        Receiver(everything),
        Receiver(urgent, Wanted(least=Severity.CRITICAL)),
        Receiver(ticks, Wanted((NoticeKind.MISSED_TICK,), Severity.WARNING)),
    ]
    assert not (tmp_path / "notices").exists()
    assert len(preview(tmp_path, notices, receivers)) == 8
    assert not (tmp_path / "notices").exists(), "a preview writes nothing"
    deliver(tmp_path, notices, receivers, now=START)
    assert everything.heard == ["red", "late", "test", "up"]
    assert urgent.heard == ["red", "test"]
    assert ticks.heard == ["late", "test"]


@pytest.mark.integration
def test_no_secret_is_sent_recorded_logged_or_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Planted in what evidence says, in what a server answers, and in every address."""
    caplog.set_level("DEBUG")
    planted = notice(
        title=f"RED with {PASSWORD}",
        text=(f"see https://hooks.example/services/{TOKEN}",),
        what_to_do=(f"export X={PASSWORD}",),
    )
    gone = f"http://127.0.0.1:{closed_port()}/services/{TOKEN}"
    redactor = Redactor([TOKEN, PASSWORD])
    with (
        webhook(always(400, f"bad token {TOKEN}")) as picky,
        webhook() as hook,
        mailbox() as box,
        mailbox(needs_login=True, refuses="auth") as strict,
    ):
        local = ("127.0.0.1", box.port, Security.PLAIN)
        login = ("127.0.0.1", strict.port, Security.PLAIN, "certify", SecretStr(PASSWORD))
        notifiers = [
            SlackNotifier(SecretStr(url), name)
            for name, url in (("slack", hook.url), ("slack-2", picky.url), ("slack-3", gone))
        ]
        mails = [
            MailNotifier(Server(*local), "a@b.example", "c@d.example"),
            MailNotifier(Server(*login), "a@b.example", "e@f.example"),
        ]
        receivers = [Receiver(one) for one in (*notifiers, *mails)]
        told = deliver(tmp_path, [planted], receivers, now=START, redactor=redactor)
    assert states(told) == [State.SENT, State.FAILED, State.FAILED, State.SENT, State.FAILED]
    shows_no_canary(json.dumps(hook.taken), box.mails[0].as_string(), caplog.text)
    shows_no_canary(*(one.why for one in told), *notifiers, *mails)
    keeps_no_canary(tmp_path)
