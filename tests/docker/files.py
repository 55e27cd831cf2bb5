"""The files under ``docker/``, read once, and what the tests ask them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).resolve().parents[2] / "docker"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<mark>:?[-?])(?P<default>[^}]*))?\}")


@cache
def read(name: str) -> Mapping[str, Any]:
    """A YAML file of ``docker/``, merge keys resolved."""
    loaded = yaml.safe_load((DOCKER / name).read_text())
    assert isinstance(loaded, dict), name
    return loaded


def launcher() -> Mapping[str, Any]:
    """How a run's container is made."""
    config = read("dagster.yaml")["run_launcher"]["config"]
    assert isinstance(config, dict)
    return config


def service(name: str) -> Mapping[str, Any]:
    """One service of compose.yaml."""
    found = read("compose.yaml")["services"][name]
    assert isinstance(found, dict)
    return found


def variables(text: str) -> dict[str, str | None]:
    """Every ``${NAME}`` with its default; ``None`` where compose refuses to start without it."""
    return {
        found["name"]: None if "?" in (found["mark"] or "") else found["default"] or ""
        for found in _VARIABLE.finditer(text)
    }
