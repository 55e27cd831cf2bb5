"""Edits of documents, some of them by who can compute a digest again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from certification_pipeline.evidence.canonical import seal
from tests.verify.edit import Edit, Touched


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
