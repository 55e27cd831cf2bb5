"""Another version of an engine than the one its lock file pins: a lock of its own, derived from both.

The script's requirements (PEP 723) with that one version put in place are resolved again; whatever else the
lock pins stays as it is where it can, so that two versions differ in little but themselves. The derived
lock is kept in the cache by what it was made from: there the next run and a machine without network take it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.harness.engines.venv import EngineUnavailable, normalised, read_lock, run_uv
from certification_pipeline.harness.services.cache import CacheError, built_once, cache_root

PYTHON = "3.11"
"""The oldest Python the committed locks are made for, too."""

_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""https://packaging.python.org/en/latest/specifications/inline-script-metadata/"""
_NAME = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<extras>\[[^\]]*\])?")
_NO_NETWORK = (
    "network was disabled",
    "Failed to fetch",
    "error sending request",
    "dns error",
    "Could not connect",
)


class UnknownVersion(EngineUnavailable):
    """There is no such version, or it cannot be installed here."""


def version_lock(engine_id: str, driver: DriverSpec, folder: Path, tell: Callable[[str], None]) -> Path:
    """The lock file of ``driver.distribution`` in ``driver.version``, in the cache; made when absent.

    Raises :class:`UnknownVersion` when nothing with that version can be resolved, ``EngineUnavailable`` when
    the package index cannot be reached and the lock was never made here.
    """
    script, lock = folder / (driver.script or ""), folder / (driver.lock or "")
    wanted = f"{driver.distribution}=={driver.version}"
    requirements = _requirements(engine_id, script, driver)
    base = read_lock(engine_id, lock)
    key = hashlib.sha256("\0".join((requirements, PYTHON)).encode() + b"\0" + base).hexdigest()[:24]

    def build(aside: Path) -> None:
        tell(f"{engine_id}: resolving {wanted}")
        (aside / "requirements.in").write_text(requirements, encoding="utf-8")
        # What stands there already is preferred: only what the other version needs otherwise changes.
        (aside / "driver.lock").write_bytes(base)
        run_uv(
            engine_id,
            "pip",
            "compile",
            "--quiet",
            "--universal",
            f"--python-version={PYTHON}",
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-header",
            "--no-annotate",
            f"--output-file={aside / 'driver.lock'}",
            str(aside / "requirements.in"),
        )

    try:
        made = built_once(
            cache_root() / "locks" / f"{engine_id}-{key}",
            build,
            lambda: tell(f"{engine_id}: another run is resolving {wanted}"),
        )
    except CacheError as error:
        raise EngineUnavailable(f"{engine_id}: {error}", "set CERTIFY_CACHE") from None
    except EngineUnavailable as error:
        said = str(error.args[0]).removeprefix(f"{engine_id}: ")
        raise _unresolved(engine_id, wanted, said) from None
    return made / "driver.lock"


def _requirements(engine_id: str, script: Path, driver: DriverSpec) -> str:
    """The script's requirements, the engine's own with that version; extras and markers stay."""
    try:
        block = _BLOCK.search(script.read_text(encoding="utf-8"))
    except OSError as error:
        raise EngineUnavailable(f"{engine_id}: cannot read {script}: {error.strerror}", "write it") from None
    lines = block["content"].splitlines() if block else []
    metadata = tomllib.loads("\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))
    found = False
    kept: list[str] = []
    for requirement in metadata.get("dependencies", []):
        named = _NAME.match(requirement)
        if named and normalised(named["name"]) == normalised(driver.distribution or ""):
            _, semicolon, marker = requirement.partition(";")
            kept.append(f"{named['name']}{named['extras'] or ''}=={driver.version}{semicolon}{marker}")
            found = True
        else:
            kept.append(requirement)
    if not found:
        message = f"{engine_id}: {script.name} does not require {driver.distribution} itself"
        raise UnknownVersion(message, "leave out the version, or certify two releases and compare them")
    return "\n".join(kept) + "\n"


def _unresolved(engine_id: str, wanted: str, said: str) -> EngineUnavailable:
    if os.environ.get("UV_OFFLINE") or any(words in said for words in _NO_NETWORK):
        return EngineUnavailable(
            f"{engine_id}: {wanted} was never resolved here, and the package index is out of reach: {said}",
            "connect to the package index once: what it answers is kept",
        )
    return UnknownVersion(
        f"{engine_id}: {wanted} cannot be installed beside what its driver needs: {said}",
        "choose a version that the package index has, and that this Python and the driver can use",
    )
