"""YAML text as a tree whose every value remembers where it stands.

PyYAML's own construction forgets line numbers, lets the last of two equal keys win and reads ``no`` as
``False``; here duplicates are problems, keys are always text, and only YAML 1.2's core scalars have a
meaning (https://yaml.org/spec/1.2.2/#103-core-schema). Knows nothing of the catalogue's models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from certification_pipeline.catalog.problems import Problem

Scalar = str | int | float | bool | None
Plain = Scalar | list["Plain"] | dict[str, "Plain"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?[0-9](_?[0-9])*")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_CORE: Mapping[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {
    _TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
"""What PyYAML gives to plain text by itself; any other tag was written by somebody."""
_MAX_NODES = 200_000
"""Aliases multiply: a few lines can stand for billions of nodes. No catalogue comes near this."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of a mapping: where its key stands, and its value."""

    key: Mark
    node: Node


@dataclass(frozen=True, slots=True)
class Node:
    """One value, where it stands and by which field path it is reached in its file."""

    file: Path
    path: str
    mark: Mark
    value: Scalar | tuple[Node, ...] | Mapping[str, Member]

    @property
    def members(self) -> Mapping[str, Member]:
        """Its entries when it is a mapping, else none."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """Its elements when it is a list, else none."""
        return self.value if isinstance(self.value, tuple) else ()

    def child(self, part: str | int) -> Node | None:
        """The value at a key or an index, or ``None``."""
        if isinstance(part, str):
            member = self.members.get(part)
            return member.node if member else None
        return self.items[part] if 0 <= part < len(self.items) else None

    def plain(self) -> Plain:
        """The value without its places, as pydantic wants it."""
        if isinstance(self.value, Mapping):
            return {key: member.node.plain() for key, member in self.value.items()}
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        return self.value

    def replace(self, value: tuple[Node, ...] | Mapping[str, Member]) -> Node:
        """The same place with another content."""
        return Node(self.file, self.path, self.mark, value)

    def problem(self, message: str, remedy: str, *, key: Mark | None = None, field: str = "") -> Problem:
        """A problem here (or at ``key``); ``field`` is appended to the path."""
        at = key or self.mark
        return Problem(self.file, at.line, at.column, join(self.path, field), message, remedy)


def join(path: str, part: str | int) -> str:
    """``routes`` and ``0`` give ``routes[0]``; ``routes[0]`` and ``sink`` give ``routes[0].sink``."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path and part else path or part


def read_tree(file: Path) -> tuple[Node | None, list[Problem]]:
    """Parse one file. ``None`` when nothing could be made of it; never raises for bad content."""
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        return None, [_unreadable(file, error)]
    if root is None:
        return None, [_whole(file, "is empty", "fill it, or delete it if it is not needed")]
    builder = _Builder(file)
    node = builder.build(root, "", ())
    return node, builder.problems


def _unreadable(file: Path, error: Exception) -> Problem:
    match error:
        case FileNotFoundError():
            return _whole(file, "the file is missing", "restore it, or point to a whole catalogue directory")
        case OSError():
            return _whole(file, f"cannot be read: {error.strerror}", "check the file's type and permissions")
        case UnicodeDecodeError():
            return _whole(file, f"is not UTF-8 (byte {error.start})", "save it as UTF-8")
        case yaml.MarkedYAMLError():
            at = error.problem_mark or error.context_mark
            line, column = (at.line + 1, at.column + 1) if at else (1, 1)
            said = " ".join(filter(None, (error.context, error.problem))) or "cannot be parsed"
            remedy = "check indentation, quotes, and colons inside plain text around this line"
            return Problem(file, line, column, "", f"not valid YAML: {said}", remedy)
        case RecursionError():
            return _whole(file, "is nested too deeply", "flatten it")
        case _:
            said = str(error).splitlines()[0]
            return _whole(file, f"not valid YAML: {said}", "remove control characters from the file")


def _whole(file: Path, message: str, remedy: str) -> Problem:
    return Problem(file, 1, 1, "", message, remedy)


class _Builder:
    """Turns PyYAML's nodes into ours, collecting problems instead of stopping at the first."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._count = 0

    def build(self, raw: yaml.Node, path: str, above: tuple[int, ...]) -> Node:
        mark = _mark(raw)
        self._count += 1
        if id(raw) in above:
            self._report(mark, path, "an alias that contains itself", "break the circle")
            return Node(self.file, path, mark, None)
        if self._count > _MAX_NODES:
            if self._count == _MAX_NODES + 1:
                self._report(mark, path, "aliases multiply beyond any catalogue's size", "write values out")
            return Node(self.file, path, mark, None)
        inside = (*above, id(raw))
        if isinstance(raw, yaml.MappingNode):
            return Node(self.file, path, mark, self._mapping(raw, path, inside))
        if isinstance(raw, yaml.SequenceNode):
            items = tuple(self.build(item, join(path, i), inside) for i, item in enumerate(raw.value))
            return Node(self.file, path, mark, items)
        assert isinstance(raw, yaml.ScalarNode)  # YAML has no fourth kind
        return Node(self.file, path, mark, self._scalar(raw, path))

    def _mapping(self, raw: yaml.MappingNode, path: str, above: tuple[int, ...]) -> dict[str, Member]:
        merged: dict[str, Member] = {}
        own: dict[str, Member] = {}
        for key, value in raw.value:
            mark = _mark(key)
            if not isinstance(key, yaml.ScalarNode):
                self._report(mark, path, "a key that is not plain text", "use a word as the key")
            elif key.value == "<<" and not key.style:
                for name, member in self._merge(value, path, above).items():
                    merged.setdefault(name, member)
            elif key.value in own:
                first = own[key.value].key.line
                message = f"`{key.value}` is given twice; first on line {first}"
                self._report(mark, join(path, key.value), message, "keep one of the two")
            else:
                own[key.value] = Member(mark, self.build(value, join(path, key.value), above))
        return merged | own

    def _merge(self, raw: yaml.Node, path: str, above: tuple[int, ...]) -> dict[str, Member]:
        """``<<: *one`` or ``<<: [*first, *second]``; earlier ones win (https://yaml.org/type/merge.html)."""
        members: dict[str, Member] = {}
        for part in raw.value if isinstance(raw, yaml.SequenceNode) else [raw]:
            if isinstance(part, yaml.MappingNode):
                node = self.build(part, path, above)
                members = dict(node.members) | members
            else:
                self._report(_mark(part), path, "`<<` merges something that is no mapping", "merge a mapping")
        return members

    def _scalar(self, raw: yaml.ScalarNode, path: str) -> Scalar:
        if raw.tag not in _SCALAR_TAGS:
            self._report(_mark(raw), path, f"the tag {raw.tag} has no meaning here", "remove the tag")
        text = str(raw.value)
        if raw.style:  # quoted or block text is always text
            return text
        if text in _CORE:
            return _CORE[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _report(self, mark: Mark, path: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, mark.line, mark.column, path, message, remedy))


def _mark(raw: yaml.Node) -> Mark:
    return Mark(raw.start_mark.line + 1, raw.start_mark.column + 1)
