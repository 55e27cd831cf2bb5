"""The parts of the catalogue that one engine's plan and verdicts rest on, and where two of them differ.

They are kept beside a plan, so that a later catalogue can be held against the one a release was made by:
what an edit of another engine's claims, of a title or of a remedy changes is nothing to it. Fields at their
default are left out: one that a later version adds is no difference while nobody uses it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from certification_pipeline.catalog.calibration import load_defects
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.policies import LevelPolicy

Parts = Mapping[str, Any]
"""Kind -> id -> fields, as plain JSON."""

_ENGINE: Any = {
    **dict.fromkeys(("title", "description", "homepage", "license", "kinds"), True),
    "previous": True,
    # How it is started, and which release of it: the subject's digest says that of what was certified.
    "driver": {
        "command",
        "script",
        "lock",
        "folder",
        "environments",
        "distribution",
        "version",
        "program_variable",
        "home",
    },
    "routes": {
        "__all__": {
            "strategies": {"__all__": {"note", "source_url"}},
            "types": {"__all__": {"source_url"}},
        }
    },
}
_SCENARIO = {"title", "purpose", "method", "remedy", "history"}
_SYSTEM: Any = {"title": True, "kinds": True, "remedy": True, "capabilities": {"__all__": {"remedy"}}}
_PROFILE: Any = {
    **dict.fromkeys(("title", "description", "seed_name", "engines"), True),
    "leaves_out": {"__all__": {"why"}},
}
_LONGEST = 60


class Difference(NamedTuple):
    """One field in which two catalogues differ."""

    kind: str
    id: str
    field: str
    says: str
    here: str

    def __str__(self) -> str:
        where = f"{self.kind}/{self.id}: {self.field}" if self.field else f"{self.kind}/{self.id}"
        return f"{where}: says {self.says}, here {self.here}"


class Differing(NamedTuple):
    """Where a catalogue of then is not the one of here, by what rests on it."""

    judged_by: tuple[Difference, ...]
    """How cells were judged: the engine's claims, scenarios that ran, systems, types, planted defects."""
    planned_by: tuple[Difference, ...]
    """Which cells there must be: whether it matters, the plan itself shows when it is made again."""
    granted_by: tuple[Difference, ...]
    """Level policies: whether it matters, granting the levels again shows."""


def parts_of(catalog: Catalog, engine: str) -> Parts:
    """What this engine's plan, gates and levels rest on. Raises ``KeyError`` for an unknown engine."""
    claims = _dump(catalog.engine(engine), _ENGINE)
    claims["routes"] = {f"{one['source']}_to_{one['sink']}": one for one in claims.get("routes", ())}
    return {
        "engines": {engine: claims},
        "scenarios": {name: _dump(one, _SCENARIO) for name, one in catalog.scenarios.items()},
        "systems": {name: _dump(one, _SYSTEM) for name, one in catalog.systems.items()},
        "types": {
            system: {name: _dump(rule, {"source_url"}) for name, rule in rules.items()}
            for system, rules in catalog.types.items()
        },
        "defects": {name: _dump(one, None) for name, one in load_defects().items()},
        "profiles": {name: _dump(one, _PROFILE) for name, one in catalog.profiles.items()},
        "matrix": {"cases": _dump(catalog.matrix, None)},
        "guarantees": {name: _dump(one, None) for name, one in catalog.guarantees.items()},
        "policies": {name: _dump(one, None) for name, one in catalog.policies.items()},
    }


def parts_text(parts: Parts) -> bytes:
    """The one spelling of them; its digest is sealed in the plan."""
    return json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def differing(
    then: Parts,
    here: Parts,
    *,
    engine: str,
    profile: str,
    scenarios: Collection[str],
    systems: Collection[str],
) -> Differing:
    """Where ``then`` differs from ``here`` in what a plan of that engine and profile rests on.

    ``scenarios`` and ``systems``: of the cells that ran. Others reach a release by its plan alone.
    """
    judged = [
        *_ids(then, here, "engines", {engine}),
        *_ids(then, here, "scenarios", set(scenarios)),
        *_ids(then, here, "systems", set(systems)),
        *_ids(then, here, "types", set(systems)),
        *_ids(then, here, "defects", None),
    ]
    planned = [
        *(one for one in _ids(then, here, "scenarios", None) if one.id not in scenarios),
        *(one for one in _ids(then, here, "systems", None) if one.id not in systems),
        *_ids(then, here, "profiles", {profile}),
        *_ids(then, here, "matrix", None),
        *_ids(then, here, "guarantees", None),
    ]
    return Differing(tuple(judged), tuple(planned), tuple(_ids(then, here, "policies", None)))


def differing_policies(
    then: Mapping[str, LevelPolicy], here: Mapping[str, LevelPolicy]
) -> tuple[Difference, ...]:
    """Where level policies differ from those installed here."""
    old, new = ({"policies": {k: _dump(v, None) for k, v in each.items()}} for each in (then, here))
    return tuple(_ids(old, new, "policies", None))


def _dump(model: Any, exclude: Any) -> dict[str, Any]:
    found: dict[str, Any] = model.model_dump(mode="json", exclude=exclude, exclude_defaults=True)
    return found


def _ids(then: Parts, here: Parts, kind: str, only: set[str] | None) -> Iterator[Difference]:
    old, new = _mapping(then.get(kind)), _mapping(here.get(kind))
    for name in sorted(old.keys() | new.keys()):
        if only is None or name in only:
            for field, says, is_ in _fields(old.get(name, _NOTHING), new.get(name, _NOTHING), ""):
                yield Difference(kind, name, field, says, is_)


_NOTHING = object()


def _fields(says: Any, is_: Any, at: str) -> Iterator[tuple[str, str, str]]:
    """The smallest fields that differ. Compared by their spelling: ``1`` is neither ``1.0`` nor ``true``."""
    if isinstance(says, dict) and isinstance(is_, dict):
        for name in sorted(says.keys() | is_.keys()):
            below = f"{at}.{name}" if at else str(name)
            yield from _fields(says.get(name, _NOTHING), is_.get(name, _NOTHING), below)
    elif (old := _named(says)) and (new := _named(is_)):
        yield from _fields(old, new, at)
    elif _shown(says) != _shown(is_):
        yield at, _short(says), _short(is_)


def _named(value: Any) -> dict[str, Any] | None:
    """A list of entries that have ids, by them; their order is not told."""
    if not isinstance(value, list) or not all(isinstance(one, dict) and "id" in one for one in value):
        return None
    named = {str(one["id"]): one for one in value}
    return named if len(named) == len(value) else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _shown(value: Any) -> str:
    return "nothing" if value is _NOTHING else json.dumps(value, sort_keys=True)


def _short(value: Any) -> str:
    text = _shown(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
