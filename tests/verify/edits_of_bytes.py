"""Edits that know nothing of what a file holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.verify.edit import Edit, Touched


def _bytes(change: Callable[[bytes, random.Random], bytes]) -> Edit:
    def edit(root: Path, path: str, chance: random.Random) -> Touched:
        before = (root / path).read_bytes()
        after = change(before, chance)
        if after == before:
            return None
        (root / path).write_bytes(after)
        return (path,)

    return edit


def _at(data: bytes, chance: random.Random) -> int:
    return chance.randrange(len(data)) if data else 0


def flip_bit(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    at = _at(data, chance)
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def change_byte(data: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def change_digit(data: bytes, chance: random.Random) -> bytes:
    digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    at = chance.choice(digits)
    return data[:at] + str((data[at] - 48 + chance.randrange(1, 10)) % 10).encode() + data[at + 1 :]


def delete_bytes(data: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + data[at + chance.choice((1, 1, 7, 200)) :]


def insert_bytes(data: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + chance.choice((b" ", b"\n", b"0", b"\0", b"x" * 200)) + data[at:]


def truncate_tail(data: bytes, chance: random.Random) -> bytes:
    return data[: _at(data, chance)]


def empty(data: bytes, _: random.Random) -> bytes:
    return b""


def append(data: bytes, chance: random.Random) -> bytes:
    return data + chance.choice((b"\n", b" ", b"\0", b"{}", data[:100] or b"x"))


def _lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    def edit(data: bytes, chance: random.Random) -> bytes:
        lines = data.splitlines(keepends=True)
        if len(lines) < 2:
            return data
        change(lines, chance)
        return b"".join(lines)

    return edit


def _swap_lines(lines: list[bytes], chance: random.Random) -> None:
    one, other = chance.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]


def _drop_line(lines: list[bytes], chance: random.Random) -> None:
    del lines[chance.randrange(len(lines))]


def _repeat_line(lines: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(lines))
    lines.insert(at, lines[at])


def crlf(data: bytes, _: random.Random) -> bytes:
    return data.replace(b"\n", b"\r\n")


def bom(data: bytes, _: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + data


def invalid_utf8(data: bytes, chance: random.Random) -> bytes:
    at = _at(data, chance)
    return data[:at] + chance.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80")) + data[at:]


def utf16(data: bytes, _: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode("utf-16")


BYTES: dict[str, Edit] = {
    name: _bytes(change)
    for name, change in (
        ("flip a bit", flip_bit),
        ("change a byte", change_byte),
        ("change a digit", change_digit),
        ("delete bytes", delete_bytes),
        ("insert bytes", insert_bytes),
        ("truncate the tail", truncate_tail),
        ("empty the file", empty),
        ("append", append),
        ("swap lines", _lines(_swap_lines)),
        ("delete a line", _lines(_drop_line)),
        ("repeat a line", _lines(_repeat_line)),
        ("line ends of Windows", crlf),
        ("byte order mark", bom),
        ("invalid UTF-8", invalid_utf8),
        ("UTF-16", utf16),
    )
}
