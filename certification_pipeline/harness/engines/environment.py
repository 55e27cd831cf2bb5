"""What it takes to start an engine: its command, its environments, and the digest of what runs.

An engine with a script gets a virtual environment with exactly what its lock file pins, by hash; made once,
kept in the cache, and usable offline from then on (``venv.py``). Knows the catalogue's ``DriverSpec``, not
the protocol.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.harness.engines.venv import (
    PASSED_ON,
    PASSED_ON_PREFIXES,
    EngineUnavailable,
    digest,
    locked_digest,
    read_lock,
    virtual_environment,
)
from certification_pipeline.harness.engines.versions import version_lock
from certification_pipeline.harness.services.postgres_install import INSTALLATION, wheel_directory
from certification_pipeline.redaction import Redactor

__all__ = ["EngineUnavailable", "PreparedEngine", "child_environment", "locked_digest", "prepare"]

ENGINES = Path(__file__).resolve().parent
KIT = ENGINES / "kit"
"""What a driver script may import: ``certify_driver`` and ``certify_failures``, on the path of every one."""

CONFIG_VARIABLE = "CERTIFY_ENGINE_CONFIG"
ID_VARIABLE = "CERTIFY_ENGINE_ID"
"""The catalogue's name of the engine: a driver of several engines can say which one it is."""
HOME_VARIABLE = "CERTIFY_ENGINE_HOME"
"""The folder of an engine outside this package that is a configuration of one of its drivers."""

_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|USERNAME|_KEY$", re.IGNORECASE)


@dataclass(frozen=True)
class PreparedEngine:
    """How to start an engine: pass ``command`` and ``env`` to ``EngineSession``.

    ``artifact_digest`` is ``sha256:<hex>`` of what was installed (law 8).
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    artifact_digest: str
    derived_lock: Path | None = None
    """Of a version that is named: what was resolved for it."""


def prepare(
    engine_id: str,
    driver: DriverSpec,
    on_progress: Callable[[str], None] | None = None,
    *,
    engines: Path = ENGINES,
) -> PreparedEngine:
    """Make whatever the driver needs; raises :class:`EngineUnavailable`.

    The engine's folder is what ``script``, lock files and a command such as ``./my-engine`` are relative to:
    ``engines/<folder>/`` when it names one, else its ``home``, else ``engines/<engine's id>/``. The first
    call for a lock file may take minutes and needs the network, unless uv has the packages; ``on_progress``
    is told in words.
    """
    tell = on_progress or (lambda _: None)
    folder = folder_of(engine_id, driver, engines)
    if driver.script and driver.command:
        raise EngineUnavailable(
            f"{engine_id}: both 'script' and 'command' are given", "keep one in the catalogue"
        )
    if driver.script:
        prepared = _prepare_script(engine_id, driver, folder, tell)
    elif driver.command:
        prepared = _prepare_command(engine_id, driver.command, folder)
    else:
        raise EngineUnavailable(f"{engine_id}: no 'script' and no 'command'", "give one in the catalogue")
    return _with_programs(engine_id, driver, folder, prepared, tell)


def folder_of(engine_id: str, driver: DriverSpec, engines: Path = ENGINES) -> Path:
    """The folder that the engine's files are relative to."""
    if driver.folder:
        return engines / driver.folder
    return driver.home or engines / engine_id


def _with_programs(
    engine_id: str, driver: DriverSpec, folder: Path, prepared: PreparedEngine, tell: Callable[[str], None]
) -> PreparedEngine:
    """With its name, configuration, and the environments of the programs it starts: certified, too."""
    env = {**prepared.env, ID_VARIABLE: engine_id}
    if driver.config:
        env[CONFIG_VARIABLE] = json.dumps(driver.config)
    digests = [prepared.artifact_digest]
    if driver.home and driver.folder:
        env[HOME_VARIABLE] = str(driver.home)
        digests.append(_folder_digest(driver.home))
    for name, lock in sorted(driver.environments.items()):
        locked = read_lock(engine_id, folder / lock)
        made = virtual_environment(engine_id, folder / lock, locked, Path(lock).stem, tell)
        env[f"CERTIFY_ENV_{name.upper().replace('-', '_')}"] = str(made)
        digests.append(locked_digest(Path(lock).stem, locked.decode()))
    if driver.program_variable and (named := os.environ.get(driver.program_variable)):
        # That program is the subject, not the one in the lock.
        program = _program(engine_id, driver.program_variable, named)
        env[driver.program_variable] = str(program)
        digests = [digest(program.read_bytes())]
    whole = digests[0] if len(digests) == 1 else digest("\n".join(digests).encode())
    return replace(prepared, env=env, artifact_digest=whole)


def _program(engine_id: str, variable: str, named: str) -> Path:
    path = Path(named).resolve()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise EngineUnavailable(
            f"{engine_id}: {variable} names no executable file", f"correct {variable}, or unset it"
        )
    return path


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a driver: a few harmless variables of ours, and ``extra``.

    Our own environment may hold credentials of anything; of what is passed on by prefix, whatever looks like
    one is left out as well. Behind the machine's programs stand those of the PostgreSQL that comes
    with us: a shell driver finds a ``psql`` wherever certify runs.
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or (name.startswith(PASSED_ON_PREFIXES) and not _looks_secret(name, value))
    }
    if bundled := wheel_directory():
        passed["PATH"] = os.pathsep.join(
            (*filter(None, (passed.get("PATH"),)), str(bundled / INSTALLATION / "bin"))
        )
    return {**passed, **(extra or {})}


def _looks_secret(name: str, value: str) -> bool:
    return bool(_SECRET_NAME.search(name)) or Redactor().redact_text(value) != value


# --- engines that are a command -------------------------------------------------------------------------


def _prepare_command(engine_id: str, command: tuple[str, ...], folder: Path) -> PreparedEngine:
    program, *arguments = command
    if program == "python":
        if is_ours(command):
            return prepare_ours(engine_id, command, ENGINES.parents[2])
        code = _module_digest(engine_id, arguments)
        return PreparedEngine((sys.executable, *arguments), child_environment(), code)
    executable = str(folder / program) if program.startswith(".") else shutil.which(program)
    if executable is None or not os.access(executable, os.X_OK):
        raise EngineUnavailable(
            f"{engine_id}: there is no executable {program!r}", "install it, or correct 'command'"
        )
    path = Path(executable).resolve()
    # What a script of ours calls lies beside it.
    code = _folder_digest(folder) if program.startswith(".") else digest(path.read_bytes())
    return PreparedEngine((str(path), *arguments), child_environment(), code)


def is_ours(command: tuple[str, ...]) -> bool:
    """Whether the command runs a package inside this package."""
    match command:
        case ("python", "-m", module, *_):
            return module.split(".")[0] == __package__.split(".")[0]
    return False


def prepare_ours(engine_id: str, command: tuple[str, ...], root: Path) -> PreparedEngine:
    """Of our package as it lies in ``root``: here, in a tree that nobody installed, or an earlier version."""
    _, _, module, *_ = command
    path = root.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        raise EngineUnavailable(f"{engine_id}: there is no {module} in {root}", "correct 'command'")
    found = {"PYTHONPATH": str(root)}
    return PreparedEngine((sys.executable, *command[1:]), child_environment(found), _code_digest(file))


def _module_digest(engine_id: str, arguments: list[str]) -> str:
    """Of all Python files of the package (or of the one module or script) that ``python`` is to run."""
    match arguments:
        case ["-m", module, *_]:
            spec = importlib.util.find_spec(module)
            origin = Path(spec.origin) if spec is not None and spec.origin else None
        case [script, *_] if not script.startswith("-"):
            origin = Path(script)
        case _:
            origin = None
    if origin is None or not origin.is_file():
        raise EngineUnavailable(
            f"{engine_id}: cannot find what 'python {' '.join(arguments)}' runs",
            "correct 'command' in the catalogue",
        )
    return _code_digest(origin)


def _code_digest(origin: Path) -> str:
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    parts = (f"{file.relative_to(origin.parent)}\0{digest(file.read_bytes())}\n" for file in files)
    return digest("".join(parts).encode())


# --- engines that are a script ---------------------------------------------------------------------------


def _prepare_script(
    engine_id: str, driver: DriverSpec, folder: Path, tell: Callable[[str], None]
) -> PreparedEngine:
    script = folder / (driver.script or "")
    if not script.is_file():
        raise EngineUnavailable(
            f"{engine_id}: there is no script {script}", "correct 'script' in the catalogue"
        )
    kit = {"PYTHONPATH": str(KIT)}
    if not driver.lock:
        # Nothing but Python and the kit: what it may import beyond them must be pinned.
        bare = (sys.executable, "-s", "-S", str(script))
        return PreparedEngine(bare, child_environment(kit), _folder_digest(folder))
    lock = version_lock(engine_id, driver, folder, tell) if driver.version else folder / driver.lock
    locked = read_lock(engine_id, lock)
    distribution = driver.distribution or engine_id
    home = virtual_environment(engine_id, lock, locked, distribution, tell)
    environment = child_environment({**kit, "VIRTUAL_ENV": str(home)})
    python = str(home / "bin" / "python")
    pinned = locked_digest(distribution, locked.decode())
    if not driver.version:
        return PreparedEngine((python, str(script)), environment, pinned)
    # Resolved here and now: the same version beside other libraries is another thing that runs.
    return PreparedEngine(
        (python, str(script)), environment, digest(f"{pinned}\n{digest(locked)}".encode()), lock
    )


def _folder_digest(folder: Path) -> str:
    """Of every file of an engine that nobody installed."""
    parts = (f"{name}\0{digest(path.read_bytes())}\n" for name, path in sorted(files_of(folder)))
    return digest("".join(parts).encode())


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Relative name and path of each file, but for hidden ones and what Python compiled."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and path.suffix != ".pyc" and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), path
