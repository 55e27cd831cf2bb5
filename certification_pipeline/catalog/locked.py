"""Which version of an engine's package its lock file pins: the one the catalogue's claims are about."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from certification_pipeline.catalog.engines import DriverSpec

_DRIVERS = Path(__file__).resolve().parents[1] / "harness" / "engines"
"""Read as files; this room knows nothing of what is done with them."""
_PINNED = re.compile(r"(?m)^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)")


def locked_version(engine: str, driver: DriverSpec) -> str | None:
    """Of ``driver.distribution``, default the engine's id; ``None`` without a lock that pins it.

    Whatever ``driver.version`` says: that names another one.
    """
    if driver.lock is None:
        return None
    return pinned_in(folder_of(engine, driver) / driver.lock, driver.distribution or engine)


def release_before(version: str, locked: str | None, previous: str | None) -> str | None:
    """Of a version that is named: the release whose state it is to take over, as far as anybody has said.

    ``previous`` is the catalogue's word about ``locked``. A newer version comes after the locked one; of an
    older one nobody has said what came before.
    """
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - only where a version is named

    if locked is None:
        return None
    try:
        named, at = Version(version), Version(locked)
    except InvalidVersion:
        return None
    if named == at:
        return previous
    return locked if named > at else None


def folder_of(engine: str, driver: DriverSpec) -> Path:
    """Where the engine's lock files lie."""
    if driver.folder:
        return _DRIVERS / driver.folder
    return driver.home or _DRIVERS / engine


def pinned_in(lock: Path, distribution: str) -> str | None:
    """The version that ``lock`` pins of that distribution; ``None`` when it does not, or cannot be read."""
    return _versions(lock).get(_normalised(distribution))


@lru_cache(maxsize=64)
def _versions(lock: Path) -> dict[str, str]:
    try:
        text = lock.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}  # whoever starts the engine says what is wrong with its lock
    return {_normalised(found["name"]): found["version"] for found in _PINNED.finditer(text)}


def _normalised(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
