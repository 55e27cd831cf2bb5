"""Real receivers on this machine: a webhook that answers as it is told, and an SMTP server."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certification_pipeline.notify.notice import Notice, NoticeKind, Severity

TOKEN = "T0CANARY/B0CANARY/xoxWebhookCanary0123456789"
PASSWORD = "smtp-canary-password-0123"
CANARIES = (TOKEN, "xoxWebhookCanary0123456789", PASSWORD)
START = dt.datetime(2026, 11, 20, 2, 31, tzinfo=dt.UTC)


def notice(key: str = "red_gate:reference:daily-2026-11-20:0", **changes: Any) -> Notice:
    values: dict[str, Any] = {
        "key": key,
        "kind": NoticeKind.RED_GATE,
        "severity": Severity.CRITICAL,
        "at": START,
        "subject": "reference 0.1.0",
        "title": "RED: reference 0.1.0, release daily-2026-11-20 may not go out",
        "text": ("What blocks:\n  certification_report.not_passed: 3 cells failed",),
        "what_to_do": ("certify show --release-id daily-2026-11-20",),
        "link": "https://dagster.example/assets/verdict/reference/release_summary",
        "thread": "gate reference",
    }
    return Notice(**values | changes)


Answer = Callable[[int], tuple[int, dict[str, str], str]]
"""From how many posts came before: status, headers, body. A negative status: no answer at all."""


@dataclass
class Webhook:
    """What arrived at ``/services/<token>``, and how often it was asked."""

    url: str = ""
    taken: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


def always(status: int = 200, body: str = "ok", **headers: str) -> Answer:
    return lambda _: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@contextmanager
def webhook(answer: Answer = always()) -> Iterator[Webhook]:  # noqa: B008 - a function
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, body = answer(len(hook.asked))
            hook.asked.append(self.path)
            if status < 0:  # takes it, and says nothing until the test is over
                hook.taken.append(content)
                hook.released.wait(60)
                return
            if status < 300:
                hook.taken.append(content)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST  # noqa: N815 - what a redirect makes of a POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/services/{TOKEN}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        hook.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Mailbox:
    """An SMTP server: what it offers, what it refuses, and what was handed in."""

    port: int = 0
    offers_tls: bool = False
    needs_login: bool = False
    refuses: str = ""
    """``rcpt``: this recipient; ``data``: the text; ``vanish``: takes the text and hangs up."""
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)


@contextmanager
def mailbox(
    certificate: Path | None = None, *, ssl_from_start: bool = False, **options: Any
) -> Iterator[Mailbox]:
    box = Mailbox(**options)
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _Session(self, box, context, ssl_from_start).serve()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that distrusts the certificate hangs up

    server = Server(("127.0.0.1", 0), Conversation)
    box.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield box
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Session:
    """RFC 5321, as much of it as a client here speaks."""

    def __init__(
        self,
        handler: socketserver.StreamRequestHandler,
        box: Mailbox,
        context: ssl.SSLContext | None,
        tls: bool,
    ) -> None:
        self.box, self.context, self.secure = box, context, False
        self.socket = handler.request
        if tls:
            self.secured()
        self.lines = self.socket.makefile("rb")

    def secured(self) -> None:
        assert self.context is not None
        self.socket = self.context.wrap_socket(self.socket, server_side=True)
        self.secure = True

    def say(self, text: str) -> None:
        self.socket.sendall(text.encode() + b"\r\n")

    def serve(self) -> None:
        self.say("220 mailbox.test ready")
        while line := self.lines.readline().decode("ascii", "replace").strip():
            word = line.split(" ")[0].split(":")[0].upper()
            if not self.answer(word, line):
                return

    def answer(self, word: str, line: str) -> bool:
        box = self.box
        if word == "EHLO":
            offers = ["mailbox.test", "8BITMIME", "SIZE 1000000"]
            offers += ["STARTTLS"] * (box.offers_tls and not self.secure) + ["AUTH PLAIN"] * box.needs_login
            self.say(
                "\r\n".join(f"250{'-' if at < len(offers) - 1 else ' '}{o}" for at, o in enumerate(offers))
            )
        elif word == "STARTTLS":
            self.say("220 go ahead")
            self.secured()
            self.lines = self.socket.makefile("rb")
        elif word == "AUTH":
            box.logins.append(line.rsplit(" ", maxsplit=1)[-1])
            self.say("235 welcome" if box.refuses != "auth" else f"535 no, not with {PASSWORD}")
        elif word == "RCPT" and box.refuses == "rcpt":
            self.say("550 no such user")
        elif word == "DATA":
            return self.take()
        elif word == "QUIT":
            self.say("221 bye")
            return False
        else:
            self.say("250 ok")
        return True

    def take(self) -> bool:
        if self.box.refuses == "data":
            self.say("451 greylisted, come again")
            return True
        self.say("354 go on")
        text = b""
        while (line := self.lines.readline()) not in (b".\r\n", b""):
            text += line.removeprefix(b".") if line.startswith(b"..") else line
        self.box.mails.append(cast("EmailMessage", message_from_bytes(text, policy=policy.default)))
        self.box.encrypted.append(self.secure)
        if self.box.refuses == "vanish":
            self.socket.shutdown(socket.SHUT_RDWR)
            return False
        self.say("250 taken")
        return True


@cache
def _pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def certificate(directory: Path) -> Path:
    """A certificate for 127.0.0.1 that signed itself, with its key."""
    path = directory / "certificate.pem"
    path.write_bytes(_pem())
    return path


def shows_no_canary(*shown: object) -> None:
    for one in shown:
        for secret in CANARIES:
            assert secret not in str(one)
            assert secret not in repr(one)


def keeps_no_canary(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            for secret in CANARIES:
                assert secret.encode() not in path.read_bytes(), path
