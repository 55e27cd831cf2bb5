"""What a statement would do, read off its text: enough to know what makes something durable, and where.

A guess made before the server has seen the statement; the server's own answers are held against it
(``postgres_protocol.py``). Reads are not told apart, nor are sessions' private matters such as temporary
tables' contents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from certification_pipeline.harness.faults.stable_names import stable_name

_SEPARATOR = ";"
HEAD_TOKENS = 400
"""Tokens of a statement that are looked at; enough for a ``WITH`` before its ``INSERT``."""


class Kind(Enum):
    """What a statement is to a transaction."""

    READ = "read"
    WRITE = "write"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    PREPARE = "prepare"
    EXECUTE = "execute"
    """``EXECUTE name`` of a statement prepared in SQL."""
    REPLICATE = "replicate"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement."""

    kind: Kind
    action: str = ""
    """Its class, e.g. ``INSERT``, ``CREATE TABLE``, ``pg_replication_slot_advance``."""
    name: tuple[str, ...] = ()
    """What it is done to, as written: ``(schema, table)``, or one part."""
    from_client: bool = False
    """``COPY … FROM STDIN``: the rows follow."""
    temporary: bool = False
    """Makes a table that ends with the session."""
    chain: bool = False
    """``COMMIT AND CHAIN``: the next transaction is open at once."""
    inner: Statement | None = None
    """What ``PREPARE name AS …`` prepares."""

    @property
    def moves_rows(self) -> bool:
        """Not only what tables look like."""
        return self.action.partition(" ")[0] not in _DEFINES

    @property
    def object(self) -> str:
        """:attr:`name` as it will be in the next run as well."""
        return stable_name(self.name)


READ = Statement(Kind.READ)

WRITING_FUNCTIONS = frozenset(
    {
        "pg_replication_slot_advance",
        "pg_create_logical_replication_slot",
        "pg_create_physical_replication_slot",
        "pg_copy_logical_replication_slot",
        "pg_drop_replication_slot",
        "pg_logical_slot_get_changes",
        "pg_logical_slot_get_binary_changes",
        "pg_logical_emit_message",
        "pg_replication_origin_create",
        "pg_replication_origin_drop",
        "pg_replication_origin_advance",
        "setval",
    }
)
"""Functions whose call by ``SELECT`` makes something durable; ``nextval`` promises nothing."""

_TOKEN = re.compile(
    r"""
      --[^\n]*  |  /\*.*?\*/                                     # comments
    | [eE]'(?:[^'\\]|\\.|'')*'  |  (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'
    | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$
    | (?:[uU]&)?"(?:[^"]|"")*"
    | [A-Za-z_\x80-\uffff][\w$\x80-\uffff]*
    | \d[\w.]*
    | [^\s]
    """,
    re.VERBOSE | re.DOTALL,
)
_TO_THE_END = re.compile(
    r"""(?: [^;'"$/\-]++ | --[^\n]* | /\*.*?\*/ | '(?:[^']|'')*+' | "(?:[^"]|"")*+"
        | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$ | [^;] )*+""",
    re.VERBOSE | re.DOTALL,
)

_NOISE = frozenset(
    re.split(
        r"\s+",
        """AND CASCADE CONCURRENTLY EXISTS FROM FUNCTION GLOBAL IF INTO LOCAL NOT ONLY OR RECURSIVE
        REPLACE TABLE TEMP TEMPORARY UNIQUE UNLOGGED""",
    )
)
_CLASSES = frozenset(
    re.split(
        r"\s+",
        """AGGREGATE COLLATION DATABASE DOMAIN EXTENSION FOREIGN FUNCTION INDEX MATERIALIZED OPERATOR
        POLICY PROCEDURE PUBLICATION ROLE RULE SCHEMA SEQUENCE SERVER STATISTICS SUBSCRIPTION TABLE
        TABLESPACE TRIGGER TYPE USER VIEW""",
    )
)
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE"})
_DEFINES = frozenset(
    {"CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "REFRESH", "REINDEX", "SECURITY"}
)
_OTHERS = frozenset({"CALL", "CLUSTER", "DO", "IMPORT", "REASSIGN"})


def parse(text: str) -> tuple[Statement, ...]:
    """The statements of a query string, in order; empty ones left out, as the server does."""
    return tuple(_statement(tokens) for tokens in _split(text) if tokens)


def _split(text: str) -> Iterator[list[str]]:
    """The first tokens of every statement, comments left out."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.search(text, at)
        if found is None:
            break
        token, at = found.group(), found.end()
        if token == _SEPARATOR:
            yield tokens
            tokens = []
        elif not token.startswith(("--", "/*")):
            tokens.append(token)
            if len(tokens) == HEAD_TOKENS:
                rest = _TO_THE_END.match(text, at)
                at = rest.end() if rest else len(text)
    yield tokens


def _statement(tokens: list[str]) -> Statement:
    words = [token.upper() if token[0].isalpha() else token for token in tokens]
    reader = _READERS.get(words[0])
    return reader(tokens, words) if reader else READ


def _begin(_: list[str], words: list[str]) -> Statement:
    return Statement(Kind.BEGIN) if words[0] == "BEGIN" or words[1:2] == ["TRANSACTION"] else READ


def _commit(_: list[str], words: list[str]) -> Statement:
    if words[1:2] == ["PREPARED"]:
        return Statement(Kind.WRITE, "COMMIT PREPARED")
    return Statement(Kind.COMMIT, "COMMIT", chain="CHAIN" in words and "NO" not in words)


def _rollback(_: list[str], words: list[str]) -> Statement:
    if words[1:2] == ["PREPARED"]:
        return Statement(Kind.WRITE, "ROLLBACK PREPARED")
    if "TO" in words:
        return READ
    return Statement(Kind.ROLLBACK, chain="CHAIN" in words and "NO" not in words)


def _prepare(tokens: list[str], words: list[str]) -> Statement:
    if words[1:2] == ["TRANSACTION"]:
        return Statement(Kind.PREPARE, "PREPARE TRANSACTION")
    begins = words.index("AS") + 1 if "AS" in words else len(words)
    inner = _statement(tokens[begins:]) if tokens[begins:] else READ
    return Statement(Kind.READ, name=_name(tokens, 1), inner=inner)


def _execute(tokens: list[str], _: list[str]) -> Statement:
    return Statement(Kind.EXECUTE, name=_name(tokens, 1))


def _replication(tokens: list[str], words: list[str]) -> Statement:
    kind = Kind.REPLICATE if words[0] == "START_REPLICATION" else Kind.WRITE
    return Statement(kind, words[0], _name(tokens, 2 if words[1:2] == ["SLOT"] else 1))


def _change(tokens: list[str], words: list[str]) -> Statement:
    return Statement(Kind.WRITE, words[0], _name(tokens, _past(words, 1, _NOISE)))


def _other(tokens: list[str], words: list[str]) -> Statement:
    return Statement(Kind.WRITE, words[0], _name(tokens, 1) if words[0] == "CALL" else ())


def _copy(tokens: list[str], words: list[str]) -> Statement:
    if len(words) > 1 and words[1] == "(":
        return READ
    name = _name(tokens, _past(words, 1, frozenset({"BINARY"})))
    # The first of the two that stands outside the column list says which way the rows go.
    depth = 0
    for place, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0 and word in {"FROM", "TO"}:
            if word == "TO":
                return READ
            following = words[place + 1] if place + 1 < len(words) else ""
            return Statement(Kind.WRITE, "COPY", name, from_client=following == "STDIN")
    return READ


def _query(tokens: list[str], words: list[str]) -> Statement:
    """A SELECT that writes: by a function, by a ``WITH`` that holds a write, or ``INTO`` a table."""
    depth = 0
    for place, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        following = words[place + 1] if place + 1 < len(words) else ""
        function = word.lower().strip('"')
        if following == "(" and function in WRITING_FUNCTIONS:
            argument = tokens[place + 2] if place + 2 < len(tokens) else ""
            return Statement(Kind.WRITE, function, (_unquoted(argument),) if "'" in argument else ())
        if words[0] == "WITH" and _begins_write(words, place):
            return Statement(Kind.WRITE, word, _name(tokens, _past(words, place + 1, _NOISE)))
        if word == "INTO" and depth == 0:
            temporary = following in {"TEMP", "TEMPORARY"}
            name = _name(tokens, _past(words, place + 1, _NOISE))
            return Statement(Kind.WRITE, "SELECT INTO", name, temporary=temporary)
    return READ


def _begins_write(words: list[str], place: int) -> bool:
    """Not ``FOR UPDATE``, nor a column of that name: only where a statement can begin."""
    before = words[place - 1] if place else ""
    return words[place] in _WRITES and before in {"(", ")"}


def _definition(tokens: list[str], words: list[str]) -> Statement:
    verb = words[0]
    kinds = [word for word in words[1:8] if word in _CLASSES]
    action = f"{verb} {kinds[0]}" if kinds and verb not in {"GRANT", "REVOKE"} else verb
    temporary = verb == "CREATE" and bool({"TEMP", "TEMPORARY"} & set(words[1:4]))
    if (verb == "CREATE" and "INDEX" in words[1:4]) or verb in {"COMMENT", "GRANT", "REVOKE", "SECURITY"}:
        begins = words.index("ON") + 1 if "ON" in words else len(words)
    else:
        begins = 1
    name = _name(tokens, _past(words, begins, _NOISE | _CLASSES))
    return Statement(Kind.WRITE, action, name, temporary=temporary)


_READERS: dict[str, Callable[[list[str], list[str]], Statement]] = {
    **dict.fromkeys(("BEGIN", "START"), _begin),
    **dict.fromkeys(("COMMIT", "END"), _commit),
    **dict.fromkeys(("ROLLBACK", "ABORT"), _rollback),
    "PREPARE": _prepare,
    "EXECUTE": _execute,
    "COPY": _copy,
    **dict.fromkeys(("START_REPLICATION", "CREATE_REPLICATION_SLOT", "DROP_REPLICATION_SLOT"), _replication),
    **dict.fromkeys(("SELECT", "WITH", "TABLE", "VALUES", "("), _query),
    **dict.fromkeys(_WRITES, _change),
    **dict.fromkeys(_DEFINES, _definition),
    **dict.fromkeys(_OTHERS, _other),
}
"""By first word; what begins otherwise leaves nothing behind."""


def _past(words: list[str], begins: int, noise: frozenset[str]) -> int:
    while begins < len(words) and words[begins] in noise:
        begins += 1
    return begins


def _name(tokens: list[str], at: int) -> tuple[str, ...]:
    """``schema . table`` from that token on."""
    parts: list[str] = []
    while at < len(tokens) and (tokens[at][0].isalpha() or tokens[at][0] in '_"'):
        parts.append(_unquoted(tokens[at]))
        if at + 1 >= len(tokens) or tokens[at + 1] != ".":
            break
        at += 2
    return tuple(parts)


def _unquoted(token: str) -> str:
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    return token.lower()
