"""Single edits of an evidence directory: each is one thing somebody does to one file (or exchanges two).

An edit gets the root, the relative path it is about and a source of chance; it returns the paths it touched,
or ``None`` where it cannot be done to that file (then nothing was changed).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from certification_pipeline.evidence.canonical import seal

Touched = tuple[str, ...] | None
Edit = Callable[[Path, str, random.Random], Touched]

NOT_EVIDENCE = (".lock", "harness.log")
"""A lock's content is a process id, a log is for the bench's maintainers: nothing rests on either."""


def files(root: Path) -> list[str]:
    """Every file that is evidence, or vouched for by it."""
    found = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return sorted(path for path in found if not path.endswith(NOT_EVIDENCE))


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


def _json(change: Callable[[Any, random.Random], Any], *, resealed: bool = False) -> Edit:
    """Edit the document, and write it in the one spelling; ``resealed`` makes its content digest right."""

    def edit(root: Path, path: str, chance: random.Random) -> Touched:
        before = (root / path).read_bytes()
        try:
            document = json.loads(before)
        except ValueError:
            return None
        if not isinstance(document, dict):
            return None
        if resealed and "content_digest" not in document:
            return None
        after = change(document, chance)
        if after is None:
            return None
        if resealed:
            after["content_digest"] = ""
        text = json.dumps(after, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=True)
        data = (text + "\n").encode("utf-8", "surrogatepass")
        data = seal(data)[0] if resealed else data
        if data == before:
            return None
        (root / path).write_bytes(data)
        return (path,)

    return edit


def _holders(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) of a document."""
    found: list[tuple[Any, Any]] = []
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        found.append((value, key))
        found += _holders(value[key])
    return found


def _somewhere(change: Callable[[Any, Any, random.Random], None]) -> Callable[[Any, random.Random], Any]:
    def edit(document: Any, chance: random.Random) -> Any:
        holder, key = chance.choice(_holders(document))
        change(holder, key, chance)
        return document

    return edit


def _other_value(holder: Any, key: Any, chance: random.Random) -> None:
    match holder[key]:
        case bool(value):
            holder[key] = not value
        case int(value) | float(value):
            holder[key] = value + chance.choice((1, -1, 0.5, 10**30))
        case str(value):
            words = ("passed", "failed", "", value + "0", value[:-1] + "\u200b", "../../x", "\0", "é" * 9)
            holder[key] = chance.choice(words)
        case None:
            holder[key] = chance.choice(("x", 0, False, []))
        case list(value):
            holder[key] = chance.choice((value[:-1] if value else ["x"], [*value, *value[-1:]] or [1], []))
        case value:
            holder[key] = chance.choice(({**value, "extra": 1}, {}, [value]))


def _remove(holder: Any, key: Any, _: random.Random) -> None:
    del holder[key]


def _null(holder: Any, key: Any, _: random.Random) -> None:
    holder[key] = None if holder[key] is not None else 0


def _not_finite(holder: Any, key: Any, chance: random.Random) -> None:
    holder[key] = chance.choice((float("nan"), float("inf"), float("-inf")))


def _surrogate(holder: Any, key: Any, _: random.Random) -> None:
    holder[key] = "\ud800"


def _reorder(holder: Any, key: Any, chance: random.Random) -> None:
    value = holder[key]
    if isinstance(value, list) and len(value) > 1:
        one, other = chance.sample(range(len(value)), 2)
        value[one], value[other] = value[other], value[one]


def _huge(holder: Any, key: Any, chance: random.Random) -> None:
    holder[key] = chance.choice(("x" * 3_000_000, list(range(300_000)), {f"k{n}": n for n in range(60_000)}))


def _flip_verdict(document: Any, _: random.Random) -> Any:
    """Red becomes green, green red, everywhere in the document."""

    def flipped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: flipped(item) for key, item in value.items()}
        if isinstance(value, list):
            return [flipped(item) for item in value]
        swaps = {"passed": "failed", "failed": "passed", "PASS": "FAIL", "FAIL": "PASS"}
        return (
            (not value)
            if isinstance(value, bool)
            else swaps.get(value, value)
            if isinstance(value, str)
            else value
        )

    return flipped(document)


def _raw_json(change: Callable[[str, random.Random], str]) -> Edit:
    """An edit no honest writer of JSON can make, so it is made in the text."""

    def edit(root: Path, path: str, chance: random.Random) -> Touched:
        before = (root / path).read_bytes()
        if not path.endswith(".json") or not before.startswith(b"{"):
            return None
        after = change(before.decode(), chance).encode()
        if after == before:
            return None
        (root / path).write_bytes(after)
        return (path,)

    return edit


def _twice(text: str, chance: random.Random) -> str:
    keys = list(json.loads(text))
    key = chance.choice(keys)
    value = json.dumps(chance.choice((json.loads(text)[key], "passed", True, None)))
    return text.replace("{", "{\n  " + json.dumps(key) + ": " + value + ",", 1)


def _nested(text: str, chance: random.Random) -> str:
    deep = chance.choice((300, 100_000))
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
    return text.replace("{", '{"deep": ' + opening * deep + "1" + closing * deep + ",", 1)


def _spelt_otherwise(text: str, chance: random.Random) -> str:
    document = json.loads(text)
    if chance.random() < 0.5:
        return json.dumps(document, separators=(",", ":"))
    return json.dumps(dict(reversed(document.items())), indent=2) + "\n"


def _beyond_a_float(text: str, _: random.Random) -> str:
    return text.replace("{", '{"number": 1e999,', 1)


NOTHING_REMEMBERS = ("published/", "baselines/", "calibration/")
"""What may be there or not: that it was taken away whole shows nowhere, and turns nothing green."""


def delete(root: Path, path: str, _: random.Random) -> Touched:
    if path.startswith("published/"):
        return None
    (root / path).unlink()
    return (path,)


def exchange(root: Path, path: str, chance: random.Random) -> Touched:
    """Two files change places."""
    other = chance.choice(files(root))
    one, two = (root / path).read_bytes(), (root / other).read_bytes()
    if one == two:
        return None
    (root / path).write_bytes(two)
    (root / other).write_bytes(one)
    return (path, other)


def overwrite(root: Path, path: str, chance: random.Random) -> Touched:
    """With a copy of another file of the same name, if there is one: an older or another release's."""
    name = path.rpartition("/")[2]
    others = [one for one in files(root) if one != path]
    alike = [one for one in others if one.rpartition("/")[2] == name] or others
    data = (root / chance.choice(alike)).read_bytes()
    if data == (root / path).read_bytes():
        return None
    (root / path).write_bytes(data)
    return (path,)


def rename(root: Path, path: str, chance: random.Random) -> Touched:
    """In another case, or with something at its end."""
    file = root / path
    name = chance.choice((file.name.swapcase(), file.name + "~", file.name + ".bak", "_" + file.name))
    file.rename(file.with_name(name))
    return (f"{path.removesuffix(file.name)}{name}",)


def link_to_a_copy(root: Path, path: str, _: random.Random) -> Touched:
    """A symbolic link to the very bytes, outside."""
    copy = root.parent / "outside"
    copy.write_bytes((root / path).read_bytes())
    (root / path).unlink()
    (root / path).symlink_to(copy)
    return (path,)


def dangling_link(root: Path, path: str, _: random.Random) -> Touched:
    (root / path).unlink()
    (root / path).symlink_to("nowhere")
    return (path,)


def link_to_itself(root: Path, path: str, _: random.Random) -> Touched:
    (root / path).unlink()
    (root / path).symlink_to((root / path).name)
    return (path,)


def link_directory(root: Path, path: str, _: random.Random) -> Touched:
    """The file's directory becomes a link to a copy of it."""
    folder = (root / path).parent
    if folder == root:
        return None
    copy = root.parent / "outside-directory"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.move(folder, copy)
    folder.symlink_to(copy, target_is_directory=True)
    return (folder.relative_to(root).as_posix(),)


def pipe(root: Path, path: str, _: random.Random) -> Touched:
    (root / path).unlink()
    os.mkfifo(root / path)
    return (path,)


def listening(root: Path, path: str, _: random.Random) -> Touched:
    """A socket in the file's place."""
    (root / path).unlink()
    here = Path.cwd()
    try:
        os.chdir((root / path).parent)  # a socket's name may have 107 bytes, its path may not matter
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("s")
        Path("s").rename((root / path).name)
    finally:
        os.chdir(here)
    return (path,)


def device(root: Path, path: str, _: random.Random) -> Touched:
    """``/dev/zero`` in its place: reading it would never end."""
    try:
        os.mknod(root / "device", 0o20666, os.makedev(1, 5))
    except OSError:
        return None
    (root / "device").replace(root / path)
    return (path,)


def directory_instead(root: Path, path: str, _: random.Random) -> Touched:
    (root / path).unlink()
    (root / path).mkdir()
    return (path,)


def hard_link(root: Path, path: str, chance: random.Random) -> Touched:
    """To another file of the evidence."""
    other = chance.choice(files(root))
    if (root / other).read_bytes() == (root / path).read_bytes():
        return None
    (root / path).unlink()
    (root / path).hardlink_to(root / other)
    return (path,)


NAMES: tuple[bytes, ...] = (
    b"extra.json",
    b"cells",
    b"..json",
    b"..%2f..%2fetc%2fpasswd",
    b"..\\..\\evil.json",
    b"-rf",
    b"a\nb.json",
    b"\xff\xfe.json",
    b" ",
    b".hidden",
    b"A" * 240,
    b"release_summary.json ",
    b"report.HTML",
    b"caf\xc3\xa9.json",
    b"$(reboot).json",
    b"[bold]red.json",
)


def add(root: Path, path: str, chance: random.Random) -> Touched:
    """A file beside it, with whatever name and content."""
    name = chance.choice(NAMES)
    there = os.fsencode((root / path).parent) + b"/" + name
    if os.path.lexists(there):
        return None
    content = chance.choice((b"", b"{}", (root / path).read_bytes(), os.urandom(50)))
    Path(os.fsdecode(there)).write_bytes(content)
    shown = os.fsdecode(name).encode("utf-8", "backslashreplace").decode()
    parent = path.rpartition("/")[0]
    return (f"{parent}/{shown}" if parent else shown,)


def add_release(root: Path, path: str, chance: random.Random) -> Touched:
    """A copy of a release under another name."""
    release = chance.choice(sorted(one.name for one in (root / "releases").iterdir() if one.is_dir()))
    shutil.copytree(root / "releases" / release, root / "releases" / f"{release}-copy")
    return (f"releases/{release}-copy",)


def delete_directory(root: Path, path: str, _: random.Random) -> Touched:
    folder = (root / path).parent
    if folder == root or path.startswith(NOTHING_REMEMBERS):
        return None
    shutil.rmtree(folder)
    return (folder.relative_to(root).as_posix(),)


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
JSON: dict[str, Edit] = {
    "another value": _json(_somewhere(_other_value)),
    "remove a value": _json(_somewhere(_remove)),
    "null": _json(_somewhere(_null)),
    "not finite": _json(_somewhere(_not_finite)),
    "lone surrogate": _json(_somewhere(_surrogate)),
    "reorder a list": _json(_somewhere(_reorder)),
    "huge": _json(_somewhere(_huge)),
    "flip the verdict": _json(_flip_verdict),
    "duplicate key": _raw_json(_twice),
    "deeply nested": _raw_json(_nested),
    "spelt otherwise": _raw_json(_spelt_otherwise),
    "beyond a float": _raw_json(_beyond_a_float),
}
RESEALED: dict[str, Edit] = {
    "another value, resealed": _json(_somewhere(_other_value), resealed=True),
    "remove a value, resealed": _json(_somewhere(_remove), resealed=True),
    "flip the verdict, resealed": _json(_flip_verdict, resealed=True),
}
"""With the content digest computed again, which anybody can."""
FILES: dict[str, Edit] = {
    "delete the file": delete,
    "exchange two files": exchange,
    "overwrite with another": overwrite,
    "rename": rename,
    "link to a copy": link_to_a_copy,
    "dangling link": dangling_link,
    "link to itself": link_to_itself,
    "link its directory": link_directory,
    "pipe": pipe,
    "socket": listening,
    "device": device,
    "directory in its place": directory_instead,
    "hard link to another": hard_link,
    "add a file": add,
    "add a release": add_release,
    "delete its directory": delete_directory,
}
EDITS = {**BYTES, **JSON, **FILES}
