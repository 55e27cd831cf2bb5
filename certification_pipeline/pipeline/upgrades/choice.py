"""Which version of a package would be installed here, and why newer ones were passed over."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from certification_pipeline.harness.engines.versions import PYTHON


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a package, as an index lists it."""

    filename: str
    requires_python: str | None = None
    yanked: str | None = None
    """Why it was withdrawn, perhaps empty; ``None``: it was not."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A version that is newer and would not be installed."""

    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Newest:
    """What an index has of one package."""

    version: str | None
    """The newest that would be installed here."""
    passed_over: tuple[PassedOver, ...] = ()
    """Newer ones, the newest first."""
    silent: str | None = None
    """Why nothing is said about what was passed over."""


@dataclass(frozen=True, slots=True)
class Here:
    """What an environment of an engine is made for."""

    pythons: tuple[str, ...]
    """A version must admit all of them: the lock is resolved for the oldest, and installed for this one."""
    tags: frozenset[Tag]


@cache
def here() -> Here:
    """This interpreter and machine."""
    return Here((f"{PYTHON}.0", platform.python_version()), frozenset(sys_tags()))


def newest(files: Iterable[ReleaseFile], at: Here | None = None) -> Newest:
    """The newest version with a file for this place that is neither yanked nor a pre-release."""
    at = at or here()
    passed_over: list[PassedOver] = []
    for version, parts in sorted(_by_version(files).items(), reverse=True):
        reason = _refused(version, parts, at)
        if reason is None:
            return Newest(str(version), tuple(passed_over))
        passed_over.append(PassedOver(str(version), reason))
    return Newest(None, tuple(passed_over))


def _by_version(
    files: Iterable[ReleaseFile],
) -> Mapping[Version, list[tuple[ReleaseFile, frozenset[Tag] | None]]]:
    """Version -> its files with the tags of a wheel, ``None`` for a source distribution.

    A name that is neither (an index keeps what was uploaded twenty years ago) is no version.
    """
    found: dict[Version, list[tuple[ReleaseFile, frozenset[Tag] | None]]] = {}
    for file in files:
        try:
            if file.filename.endswith(".whl"):
                _, version, _, tags = parse_wheel_filename(file.filename)
                found.setdefault(version, []).append((file, tags))
            else:
                _, version = parse_sdist_filename(file.filename)
                found.setdefault(version, []).append((file, None))
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            continue
    return found


def _refused(
    version: Version, parts: list[tuple[ReleaseFile, frozenset[Tag] | None]], at: Here
) -> str | None:
    """Why a version is passed over; ``None`` when it would be installed."""
    if version.is_prerelease:
        return "pre-release"
    left = [(file, tags) for file, tags in parts if file.yanked is None]
    if not left:
        said = next((file.yanked for file, _ in parts if file.yanked), "")
        return f"yanked: {said}" if said else "yanked, no reason given"
    admitted = [(file, tags) for file, tags in left if _admits(file.requires_python, at)]
    if not admitted:
        return f"needs Python {left[0][0].requires_python}, this is {' and '.join(dict.fromkeys(at.pythons))}"
    if not any(tags is None or tags & at.tags for _, tags in admitted):
        return "has no file for this platform"
    return None


def _admits(requires: str | None, at: Here) -> bool:
    try:
        admitted = SpecifierSet(requires or "", prereleases=True)
    except InvalidSpecifier:
        return True  # as installers do: what cannot be read forbids nothing
    return all(admitted.contains(python) for python in at.pythons)


def is_newer(one: str, than: Iterable[str | None]) -> bool:
    """Whether a version is above all of these; what is no version is below."""
    mine = read_version(one)
    return mine is not None and all(
        mine > other for each in than if (other := read_version(each)) is not None
    )


def read_version(text: str | None) -> Version | None:
    """As versions are compared, without a leading ``v``; ``None`` for what is none."""
    try:
        return Version((text or "").removeprefix("v"))
    except InvalidVersion:
        return None


def order(text: str) -> Version:
    """By which versions sort; what is no version comes first."""
    return read_version(text) or Version("0")
