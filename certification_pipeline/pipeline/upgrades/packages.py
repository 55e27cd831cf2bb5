"""What an engine is installed from, as the catalogue locks it. Asks no index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.locked import folder_of, locked_version, pinned_in


@dataclass(frozen=True, slots=True)
class Package:
    """What an engine is installed from."""

    name: str
    locked: str


def packages_of(engine: Engine) -> tuple[Package, ...]:
    """The package an engine is, or those of the programs its driver starts; none: no index has it."""
    driver = engine.driver
    if driver.lock:
        locked = locked_version(engine.id, driver)
        return (Package(driver.distribution or engine.id, locked),) if locked else ()
    folder = folder_of(engine.id, driver)
    programs = ((Path(lock).stem, folder / lock) for _, lock in sorted(driver.environments.items()))
    return tuple(
        Package(name, locked) for name, lock in programs if (locked := pinned_in(lock, name)) is not None
    )


def can_be_named(engine: Engine) -> bool:
    """Whether another version of it can be certified by naming it: ``dlt==1.30.0``."""
    return bool(engine.driver.lock and packages_of(engine))
