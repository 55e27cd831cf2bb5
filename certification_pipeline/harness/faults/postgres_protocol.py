"""A conversation in PostgreSQL's v3 wire protocol, followed from both sides: where it makes things durable.

A *commit* is announced when the client sends what will bring it about (``Trigger``) and proven when the
server says that it came about (``Proof``). What the client sends is read in advance, and may turn out
otherwise; what the server answers decides. Sans-IO: bytes are read in ``postgres_wire.py``.

When a statement commits (PostgreSQL's "Message Flow"): an explicit ``COMMIT`` when it is executed,
in every mode. A statement on its own, by simple query, before its ``CommandComplete`` is sent; by extended
query only at ``Sync``, *after* its ``CommandComplete``, so that ``ReadyForQuery`` is the first to prove it. A
``COPY … FROM STDIN`` when the client has said ``CopyDone``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from certification_pipeline.harness.faults.postgres_events import (
    Commit,
    Event,
    Failure,
    Proof,
    Statements,
    Trigger,
)
from certification_pipeline.harness.faults.postgres_frames import Message
from certification_pipeline.harness.faults.postgres_sql import READ, Kind, Statement, parse
from certification_pipeline.harness.faults.stable_names import stable_name

_COMMITS_AT_THE_END = re.compile(rb";\s*(commit|end)\s*;?\s*\0?$", re.IGNORECASE)
_LSN = re.compile(rb"\b([0-9A-F]{1,8})/([0-9A-F]{1,8})\b", re.IGNORECASE)
_EXPLICIT = {"COMMIT": "COMMIT", "PREPARE TRANSACTION": "PREPARE TRANSACTION"}
_MOST = 10_000
"""Statements and portals that are remembered a connection."""


@dataclass(slots=True)
class _Transaction:
    """An open one; ``last`` is what it wrote that others can see, see :func:`_weightier`."""

    last: Statement | None = None
    failed: bool = False


@dataclass(slots=True)
class _Exchange:
    """From the first message after a ReadyForQuery to the next."""

    steps: int = 0
    completed: int = 0
    commits: list[Commit] = field(default_factory=list)
    after_copy: Commit | None = None
    """Is triggered by CopyDone."""
    tag: str = ""
    closed: bool = False
    failed: bool = False


class Conversation:
    """Both sides of one connection, after the greeting."""

    def __init__(self) -> None:
        self.pid: int | None = None
        """Of the server's process, from BackendKeyData."""
        self.slot = ""
        """Whose changes are being streamed."""
        self._statements: dict[str, Statement] = {}
        self._portals: dict[str, Statement] = {}
        self._prepared: dict[str, Statement] = {}
        self._temporary: set[str] = set()
        self._exchanges: deque[_Exchange] = deque()
        self._transaction: _Transaction | None = None
        self._implicit: Statement | None = None
        self._copying: Literal["", "in", "both"] = ""
        self._flushed = 0

    @property
    def busy(self) -> bool:
        """Whether the server still owes an answer."""
        return bool(self._exchanges)

    # --- the client ---------------------------------------------------------------------------------

    def client(self, message: Message) -> Iterator[Event]:  # noqa: PLR0912 - one branch a message
        """What this message brings about."""
        match message.kind:
            case b"Q":
                yield from self._simple(message)
            case b"P":
                name, text = _strings(message.head, 2)
                if len(self._statements) < _MOST:
                    self._statements[name] = _one(parse(text))
                self._exchange()
            case b"B":
                portal, name = _strings(message.head, 2)
                if len(self._portals) < _MOST:
                    self._portals[portal] = self._statements.get(name, READ)
                self._exchange()
            case b"E":
                yield from self._execute(self._portals.get(_strings(message.head, 1)[0], READ))
            case b"C":
                which = self._statements if message.head[:1] == b"S" else self._portals
                which.pop(_strings(message.head[1:], 1)[0], None)
                self._exchange()
            case b"D" | b"H":
                self._exchange()
            case b"S" if not self._copying:
                yield from self._sync()
            case b"F":
                self._exchange().closed = True
            case b"d" if self._copying == "both":
                yield from self._status(message.head)
            case b"d":
                yield Statements(True)
            case b"c" if self._copying == "in":
                yield from self._copy_done()
            case b"f":
                self._copying = ""

    def _simple(self, message: Message) -> Iterator[Event]:
        text = message.head.rstrip(b"\0").decode("utf-8", "replace")
        statements = parse(text)
        if message.tail and _COMMITS_AT_THE_END.search(message.tail):
            statements = (*statements, *parse("COMMIT"))
        exchange = self._exchange()
        exchange.closed = True
        first = len(exchange.commits)
        for statement in statements:
            self._step(exchange, self._known(statement))
        if self._implicit is not None:
            exchange.commits.append(_commit(self._implicit, exchange.steps - 1))
            self._implicit = None
        yield Statements(any(s.kind is Kind.WRITE for s in statements))
        for statement in statements:
            if statement.from_client:
                self._copying = "in"
            if statement.kind is Kind.REPLICATE:
                self._stream(statement, message.head)
        # One message: nobody can come between its commits. It stands for the last of them.
        commits = exchange.commits[first:]
        del exchange.commits[first:-1]
        if commits and self._copying == "in":
            exchange.after_copy = commits[-1]
        elif commits:
            yield Trigger(commits[-1])

    def _execute(self, statement: Statement) -> Iterator[Event]:
        exchange = self._exchange()
        known = self._known(statement)
        before = len(exchange.commits)
        self._step(exchange, known)
        yield Statements(known.kind is Kind.WRITE)
        if statement.from_client:
            self._copying = "in"
        for commit in exchange.commits[before:]:
            yield Trigger(commit)

    def _sync(self) -> Iterator[Event]:
        exchange = self._exchange()
        exchange.closed = True
        if self._implicit is not None:
            commit = _commit(self._implicit, None)
            self._implicit = None
            exchange.commits.append(commit)
            yield Trigger(commit)

    def _copy_done(self) -> Iterator[Event]:
        self._copying = ""
        if self._exchanges and (commit := self._exchanges[-1].after_copy):
            self._exchanges[-1].after_copy = None
            yield Trigger(commit)

    def _step(self, exchange: _Exchange, statement: Statement) -> None:
        """One statement more; what it means for the transaction."""
        step = exchange.steps
        exchange.steps += 1
        open_one = self._transaction
        match statement.kind:
            case Kind.BEGIN:
                if open_one is None:
                    # What stood before it in the same message is drawn into the block.
                    self._transaction = _Transaction(self._implicit)
                    self._implicit = None
            case Kind.COMMIT | Kind.PREPARE:
                wrote = open_one.last if open_one else self._implicit
                if wrote is not None and not (open_one and open_one.failed):
                    exchange.commits.append(Commit(statement.action, wrote.object, step))
                self._implicit = None
                self._transaction = _Transaction() if statement.chain else None
            case Kind.ROLLBACK:
                self._implicit = None
                self._transaction = _Transaction() if statement.chain else None
            case Kind.WRITE if self._lasting(statement):
                if open_one is not None:
                    open_one.last = _weightier(open_one.last, statement)
                else:
                    self._implicit = _weightier(self._implicit, statement)

    def _known(self, statement: Statement) -> Statement:
        """``EXECUTE name`` is what was prepared under that name."""
        if statement.inner is not None and len(self._prepared) < _MOST:
            self._prepared[".".join(statement.name)] = statement.inner
        if statement.kind is Kind.EXECUTE:
            return self._prepared.get(".".join(statement.name), READ)
        return statement

    def _lasting(self, statement: Statement) -> bool:
        """Not when it is done to a table that ends with the session."""
        name = statement.name[-1] if statement.name else ""
        if statement.temporary:
            if len(self._temporary) < _MOST:
                self._temporary.add(name)
            return False
        ours = name in self._temporary and (len(statement.name) == 1 or statement.name[0] == "pg_temp")
        if ours and statement.action == "DROP TABLE":
            self._temporary.discard(name)
        return not (ours or statement.name[:1] == ("pg_temp",))

    def _stream(self, statement: Statement, text: bytes) -> None:
        self._copying = "both"
        self.slot = ".".join(statement.name)
        found = _LSN.search(text)
        self._flushed = (int(found[1], 16) << 32) + int(found[2], 16) if found else 0

    def _status(self, body: bytes) -> Iterator[Event]:
        """A standby's status update: its second position is what it has made durable."""
        if body[:1] != b"r":
            return
        flushed = int.from_bytes(body[9:17], "big")
        if flushed > self._flushed:
            self._flushed = flushed
            yield Trigger(Commit("CONFIRM", stable_name((self.slot,)), flushed=flushed))

    def _exchange(self) -> _Exchange:
        if not self._exchanges or self._exchanges[-1].closed:
            self._exchanges.append(_Exchange())
        return self._exchanges[-1]

    # --- the server ---------------------------------------------------------------------------------

    def server(self, message: Message) -> Iterator[Event]:
        """What this message says has come about."""
        exchange = self._exchanges[0] if self._exchanges else None
        match message.kind:
            case b"K":
                self.pid = int.from_bytes(message.head[:4], "big")
            case b"C" if exchange:
                exchange.tag = message.head.rstrip(b"\0").decode("ascii", "replace")
                yield from self._completed(exchange, exchange.tag)
            case b"I" | b"s" if exchange:
                exchange.completed += 1
            case b"E":
                if exchange:
                    exchange.failed = True
                    for commit in exchange.commits:
                        commit.failed = not commit.proven
                if self._copying == "in":
                    self._copying = ""
                yield Failure(_sqlstate(message.head))
            case b"Z":
                yield from self._ready(message.head)

    def _completed(self, exchange: _Exchange, tag: str) -> Iterator[Event]:
        step, exchange.completed = exchange.completed, exchange.completed + 1
        for commit in exchange.commits:
            if commit.at_step == step and not commit.failed:
                # The COMMIT of a transaction that had failed is answered by ROLLBACK.
                wanted = _EXPLICIT.get(commit.action)
                commit.tag, commit.proven = tag, wanted is None or tag == wanted
                commit.failed = not commit.proven
                if commit.proven:
                    yield Proof(commit)

    def _ready(self, status: bytes) -> Iterator[Event]:
        if self._exchanges:
            exchange = self._exchanges.popleft()
            for commit in exchange.commits:
                if not commit.proven and not commit.failed and commit.at_step is None and status == b"I":
                    commit.tag, commit.proven = exchange.tag, True
                    yield Proof(commit)
        if not self._exchanges:
            # Nothing is under way: the server's word replaces whatever we had reckoned.
            self._copying = ""
            self._implicit = None
            if status == b"I":
                self._transaction = None
            else:
                self._transaction = self._transaction or _Transaction()
                self._transaction.failed = status == b"E"


def _weightier(before: Statement | None, now: Statement) -> Statement:
    """What a transaction is named after: the last that moved rows, not the dropping of a stage after it."""
    return before if before is not None and before.moves_rows and not now.moves_rows else now


def _commit(statement: Statement, at_step: int | None) -> Commit:
    return Commit(statement.action, statement.object, at_step)


def _one(statements: tuple[Statement, ...]) -> Statement:
    return statements[0] if statements else READ


def _strings(body: bytes, count: int) -> list[str]:
    """The first so many zero-terminated strings."""
    found = [part.decode("utf-8", "replace") for part in body.split(b"\0", count)[:count]]
    return found + [""] * (count - len(found))


def _sqlstate(body: bytes) -> str:
    """The field ``C``; the message's text may hold values of rows and is not looked at."""
    for part in body.split(b"\0"):
        if part[:1] == b"C":
            return part[1:].decode("ascii", "replace")
    return ""
