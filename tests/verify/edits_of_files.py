"""Edits of the directory: what lies there, and what it is."""

from __future__ import annotations

import os
import random
import shutil
import socket
from pathlib import Path

from tests.verify.edit import Edit, Touched, files

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
