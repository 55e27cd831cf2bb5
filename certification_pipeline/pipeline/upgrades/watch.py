"""What is new: of each engine its certified versions, the catalogue's, and the newest that an index has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import VERSION_MARK, Engine
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.pipeline.upgrades.choice import Newest, PassedOver, is_newer, order
from certification_pipeline.pipeline.upgrades.index import PackageIndexError
from certification_pipeline.pipeline.upgrades.ledger import Certified, certified
from certification_pipeline.pipeline.upgrades.packages import Package, can_be_named, packages_of

Index = Callable[[str], Newest]
"""A package's name -> what there is of it. Raises ``PackageIndexError``."""
_SIDE_BY_SIDE = 8


class Verdict(StrEnum):
    """What is to be done about an engine."""

    NEW = "new version"
    UNKNOWN = "unknown"
    UP_TO_DATE = "up to date"


@dataclass(frozen=True, slots=True)
class Watched:
    """One package of one engine, held against ledger and index."""

    engine: str
    package: str | None
    """``None``: the engine comes from no package index."""
    catalogue: str | None
    """The version the catalogue's lock file pins."""
    certified: tuple[Certified, ...]
    newest: str | None
    passed_over: tuple[PassedOver, ...]
    verdict: Verdict
    why: str
    command: str | None
    """What certifies it; ``None`` when there is nothing to certify, or no command does."""

    @property
    def versions(self) -> tuple[Certified, ...]:
        """Of each certified version its newest release, the highest version first."""
        latest: dict[str, Certified] = {}
        for one in self.certified:  # the newest first
            latest.setdefault(one.version, one)
        return tuple(sorted(latest.values(), key=lambda one: order(one.version), reverse=True))

    def document(self) -> JsonValue:
        """For machines."""
        return {
            "engine": self.engine,
            "package": self.package,
            "certified": [
                {
                    "version": one.version,
                    "outcome": one.outcome.value,
                    "release_id": one.release_id,
                    "engine": one.engine,
                    "at": one.at.isoformat(),
                }
                for one in self.versions
            ],
            "catalogue": self.catalogue,
            "newest": self.newest,
            "passed_over": [{"version": one.version, "reason": one.reason} for one in self.passed_over],
            "verdict": self.verdict.value,
            "why": self.why,
            "command": self.command,
        }


def watch(
    catalog: Catalog, engines: Iterable[str], store: EvidenceStore, index: Index
) -> tuple[Watched, ...]:
    """Of each engine (named without a version) every package it is installed from, new ones first.

    Each package is asked for once, however many engines are configurations of it. An index that is down
    makes verdicts unknown, with the reason, and raises nothing.
    """
    chosen = [catalog.engine(name) for name in engines]
    packages = {engine.id: packages_of(engine) for engine in chosen}
    names = list(dict.fromkeys(one.name for each in packages.values() for one in each))
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="index") as pool:
        answers = dict(zip(names, pool.map(lambda name: _asked(index, name), names), strict=True))
    ledger = certified(store)
    found = [
        watched
        for engine in chosen
        for watched in _watched(engine, packages[engine.id], ledger.get(engine.id, ()), answers)
    ]
    order = list(Verdict)
    return tuple(sorted(found, key=lambda one: (order.index(one.verdict), one.engine)))


def _asked(index: Index, name: str) -> Newest | PackageIndexError:
    try:
        return index(name)
    except PackageIndexError as problem:
        return problem


def _watched(
    engine: Engine,
    packages: Sequence[Package],
    releases: tuple[Certified, ...],
    answers: Mapping[str, Newest | PackageIndexError],
) -> list[Watched]:
    if not packages:
        return [
            Watched(engine.id, None, None, releases, None, (), Verdict.UNKNOWN, _no_package(engine), None)
        ]
    return [_of_package(engine, package, releases, answers[package.name]) for package in packages]


def _of_package(
    engine: Engine, package: Package, releases: tuple[Certified, ...], answer: Newest | PackageIndexError
) -> Watched:
    # What the ledger says is the engine's version; of a program beside others it is not that program's.
    named = can_be_named(engine)
    mine = releases if named else ()

    def watched(verdict: Verdict, why: str, newest: Newest, command: str | None = None) -> Watched:
        return Watched(
            engine.id,
            package.name,
            package.locked,
            mine,
            newest.version,
            newest.passed_over,
            verdict,
            why,
            command,
        )

    if isinstance(answer, PackageIndexError):
        return watched(Verdict.UNKNOWN, str(answer), Newest(None))
    known = [package.locked, *(one.version for one in mine)]
    newer = Newest(answer.version, tuple(one for one in answer.passed_over if is_newer(one.version, known)))
    over = _told(newer.passed_over)
    if answer.version is None:
        return watched(Verdict.UNKNOWN, f"the index has no version that can be installed here{over}", newer)
    if not is_newer(answer.version, known):
        if named and not mine:
            why = "nothing of it is certified yet"
            return watched(Verdict.UP_TO_DATE, why + over, newer, f"certify run --engine {engine.id}")
        return watched(Verdict.UP_TO_DATE, f"nothing newer can be installed here{over}", newer)
    if not named:
        why = (
            f"{engine.id} is several programs, and a version of one cannot be named: write a new lock file "
            f"for {package.name} and certify {engine.id}"
        )
        return watched(Verdict.NEW, why + over, newer)
    why = f"{answer.version} is newer than {_highest(known)}{over}"
    command = f"certify upgrade '{engine.id}{VERSION_MARK}{answer.version}'"
    return watched(Verdict.NEW, why, newer, command)


def _told(passed_over: Sequence[PassedOver]) -> str:
    if not passed_over:
        return ""
    first, more = passed_over[0], len(passed_over) - 1
    said = f"; passed over: {first.version} ({first.reason})"
    return said + (f" and {more} more" if more else "")


def _no_package(engine: Engine) -> str:
    if engine.driver.command:
        return "it is a command, in no package index: what runs is what is installed here"
    if engine.driver.lock:
        return f"its lock file pins no {engine.driver.distribution or engine.id}: name the distribution"
    return "it has no lock file: the catalogue does not say what it is installed from"


def _highest(versions: Iterable[str | None]) -> str:
    return max((text for text in versions if text), key=order)
