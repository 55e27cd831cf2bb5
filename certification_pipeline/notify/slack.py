"""A Slack-compatible incoming webhook: Slack, Mattermost, Rocket.Chat, Discord's `/slack` address.

It posts `text` and one `attachments` entry, which all of them show; Slack's newer blocks only Slack shows.
The address is the secret: who has it may post. No message, record or error of ours ever holds it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from certification_pipeline import __version__
from certification_pipeline.notify import words
from certification_pipeline.notify.notice import Notice, Severity
from certification_pipeline.notify.notifier import NotDelivered

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 15.0
"""A receiver that asks to wait longer is asked again by a later pass."""
LONGEST_TEXT = 3500
_SHOWN_OF_ANSWER = 120
_COLOURS = {Severity.INFO: "#2eb67d", Severity.WARNING: "#ecb22e", Severity.CRITICAL: "#e01e5a"}
_EVERYBODY = re.compile(r"@(?=(?:here|all|channel|everyone|group)\b)", re.IGNORECASE)
_BUSY = 429
_BROKEN = 500
_REDIRECTS = range(300, 400)


_POSTING: ContextVar[bool] = ContextVar("posting", default=False)


class _Unlogged(logging.Filter):
    """The HTTP library logs every request with its whole address: ours never."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _POSTING.get()


logging.getLogger(httpx2.__name__).addFilter(_Unlogged())


@contextmanager
def _unlogged() -> Iterator[None]:
    token = _POSTING.set(True)
    try:
        yield
    finally:
        _POSTING.reset(token)


class _Busy(NotDelivered):
    """Asked too often, or broken: it did not take the notice, and may soon."""

    def __init__(self, why: str, wait: float | None) -> None:
        super().__init__(why)
        self.wait = wait


class SlackNotifier:
    """Posts to one webhook. ``receiver`` is given, so that no name is made of the secret."""

    def __init__(
        self, url: SecretStr, receiver: str = "slack", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.receiver = receiver
        self._url = url
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"SlackNotifier({self.receiver})"

    def send(self, notice: Notice) -> None:
        """At most three posts: after 429 and 5xx, which say that it was not taken, as Retry-After asks.

        What was posted and never answered is in doubt and not posted again here. Redirects are refused:
        they would carry the secret elsewhere.
        """
        tries = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception_type(_Busy),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )
        tries(self._post, payload(notice))

    def _post(self, content: Mapping[str, object]) -> None:
        timeout = httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        agent = {"User-Agent": f"certification_pipeline/{__version__}"}
        try:
            with (
                _unlogged(),
                httpx2.Client(timeout=timeout, follow_redirects=False, headers=agent) as client,
                client.stream("POST", self._url.get_secret_value(), json=content) as answer,
            ):
                self._judge(answer)
        # An HTTP library names the address in its own messages: none of them is passed on.
        except (httpx2.ConnectTimeout, httpx2.PoolTimeout):
            raise NotDelivered(f"cannot be reached within {CONNECT_SECONDS:g} s") from None
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            raise NotDelivered(f"cannot be reached: {_reason(error)}") from None
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL):
            raise NotDelivered("its address is no http(s) URL") from None
        except httpx2.TimeoutException:
            told = f"took the notice and did not answer within {ANSWER_SECONDS:g} s"
            raise NotDelivered(told, in_doubt=True) from None
        except httpx2.HTTPError as error:
            told = f"broke off before it answered ({type(error).__name__})"
            raise NotDelivered(told, in_doubt=True) from None

    def _judge(self, answer: httpx2.Response) -> None:
        status = answer.status_code
        if answer.is_success:
            return
        if status in _REDIRECTS:
            raise NotDelivered(f"answered {status}: it points elsewhere, which is not followed")
        said = f"answered {status}{_said(answer)}"
        if status == _BUSY or status >= _BROKEN:
            wait = _retry_after(answer.headers.get("Retry-After"))
            if wait is not None and wait > LONGEST_WAIT_SECONDS:
                raise NotDelivered(f"{said} and asks to wait {wait:.0f} s")
            raise _Busy(said, wait)
        raise NotDelivered(said)


def payload(notice: Notice) -> dict[str, object]:
    """What is posted. Evidence cannot mention people or make links of its own: Slack's `&`, `<`, `>` are
    escaped, and `@channel` is taken apart for those who read it without brackets.
    """
    title = _escaped(words.title(notice))
    return {
        "text": f"*{title}*" if "*" not in title else title,
        "attachments": [
            {
                "color": _COLOURS[notice.severity],
                "fallback": title,
                "text": words.cut(_escaped(words.body(notice)), LONGEST_TEXT),
                "footer": f"certify · {notice.kind} · {_escaped(notice.subject)}",
                "ts": int(notice.at.timestamp()),
            }
        ],
    }


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _EVERYBODY.sub("@\u200b", text)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, _Busy) else None
    return float(2 ** (state.attempt_number - 1)) if asked is None else asked


def _retry_after(text: str | None) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3); ``None`` for anything else."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text.strip()):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _said(answer: httpx2.Response) -> str:
    """The first words of an error, such as Slack's ``invalid_token``."""
    kept = b""
    for piece in answer.iter_bytes(_SHOWN_OF_ANSWER):
        kept += piece
        if len(kept) >= _SHOWN_OF_ANSWER:
            break
    text = " ".join(kept[:_SHOWN_OF_ANSWER].decode("utf-8", "replace").split())
    return f" “{words.printable(text)}”" if text else ""


def _reason(error: BaseException) -> str:
    """Why the system refused the connection, in its own words."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return words.printable(seen.strerror)
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
