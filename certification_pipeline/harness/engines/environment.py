"""What it takes to start an engine: its command, an environment of its own, and the digest of what runs.

An engine with a script gets a virtual environment with exactly what its lock file pins, by hash; made once,
kept in the cache, and usable offline from then on. Knows the catalogue's ``DriverSpec``, not the protocol.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.catalog.models import DriverSpec
from certification_pipeline.harness.services.cache import CacheError, built_once, cache_root
from certification_pipeline.redaction import Redactor

ENGINES = Path(__file__).resolve().parent

PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "TZ", "PYTHONUTF8", "PYTHONHASHSEED"})
PASSED_ON_PREFIXES = ("LC_", "UV_", "XDG_")

_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|USERNAME|_KEY$", re.IGNORECASE)

_FOR_DOWNLOADS = frozenset(
    {"SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
)
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==|@)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class EngineUnavailable(Exception):  # noqa: N818 - named for what it says: the cell is untested(driver_missing)
    """An engine cannot be started here; ``remedy`` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]} — {self.remedy}"


@dataclass(frozen=True)
class PreparedEngine:
    """How to start an engine: pass ``command`` and ``env`` to ``EngineSession``.

    ``artifact_digest`` is ``sha256:<hex>`` of what was installed (law 8).
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    artifact_digest: str


def prepare(
    engine_id: str,
    driver: DriverSpec,
    on_progress: Callable[[str], None] | None = None,
    *,
    engines: Path = ENGINES,
) -> PreparedEngine:
    """Make whatever the driver needs; raises :class:`EngineUnavailable`.

    ``engines/<engine_id>/`` is the folder that ``script``, ``lock`` and a command such as ``./my-engine`` are
    relative to. The first call for a lock file may take minutes and needs the network, unless uv has the
    packages; ``on_progress`` is told in words.
    """
    tell = on_progress or (lambda _: None)
    folder = engines / engine_id
    if driver.script and driver.command:
        raise EngineUnavailable(
            f"{engine_id}: both 'script' and 'command' are given", "keep one in the catalogue"
        )
    if driver.script:
        return _prepare_script(engine_id, driver, folder, tell)
    if driver.command:
        return _prepare_command(engine_id, driver.command, folder)
    raise EngineUnavailable(f"{engine_id}: no 'script' and no 'command'", "give one in the catalogue")


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a driver: a few harmless variables of ours, and ``extra``.

    Our own environment may hold credentials of anything; of what is passed on by prefix, whatever looks like
    one is left out as well.
    """
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or (name.startswith(PASSED_ON_PREFIXES) and not _looks_secret(name, value))
    }
    return {**passed, **(extra or {})}


def _looks_secret(name: str, value: str) -> bool:
    return bool(_SECRET_NAME.search(name)) or Redactor().redact_text(value) != value


# --- engines that are a command -------------------------------------------------------------------------


def _prepare_command(engine_id: str, command: tuple[str, ...], folder: Path) -> PreparedEngine:
    program, *arguments = command
    if program == "python":
        if is_ours(command):
            return prepare_ours(engine_id, command, ENGINES.parents[2])
        digest = _module_digest(engine_id, arguments)
        return PreparedEngine((sys.executable, *arguments), child_environment(), digest)
    executable = str(folder / program) if program.startswith(".") else shutil.which(program)
    if executable is None or not os.access(executable, os.X_OK):
        raise EngineUnavailable(
            f"{engine_id}: there is no executable {program!r}", "install it, or correct 'command'"
        )
    path = Path(executable).resolve()
    return PreparedEngine((str(path), *arguments), child_environment(), _digest(path.read_bytes()))


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
    parts = (f"{file.relative_to(origin.parent)}\0{_digest(file.read_bytes())}\n" for file in files)
    return _digest("".join(parts).encode())


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- engines that are a script with a lock file ---------------------------------------------------------


def _prepare_script(
    engine_id: str, driver: DriverSpec, folder: Path, tell: Callable[[str], None]
) -> PreparedEngine:
    script = folder / (driver.script or "")
    if not script.is_file():
        raise EngineUnavailable(
            f"{engine_id}: there is no script {script}", "correct 'script' in the catalogue"
        )
    if not driver.lock:
        raise EngineUnavailable(
            f"{engine_id}: a script needs a 'lock'",
            f"uv pip compile --generate-hashes -o driver.lock (for {script})",
        )
    lock = folder / driver.lock
    try:
        locked = lock.read_bytes()
    except OSError as error:
        raise EngineUnavailable(
            f"{engine_id}: cannot read {lock}: {error.strerror}", "write the lock file"
        ) from None
    python = _environment(engine_id, lock, locked, tell)
    environment = child_environment({"VIRTUAL_ENV": str(python.parent.parent)})
    return PreparedEngine((str(python), str(script)), environment, locked_digest(engine_id, locked.decode()))


def locked_digest(engine_id: str, lock: str) -> str:
    """What the lock file pins for the distribution named like the engine.

    One hash: that wheel's own sha256. Several (one a platform): sha256 over the sorted list. An engine that
    is not a distribution of its name is identified by the whole lock file.
    """
    wanted = _normalised(engine_id)
    hashes: list[str] = []
    for requirement in re.sub(r"\\\r?\n", " ", lock).splitlines():
        match = _REQUIREMENT.match(requirement.strip())
        if match and _normalised(match["name"]) == wanted:
            hashes += _HASH.findall(requirement)
    if len(set(hashes)) == 1:
        return f"sha256:{hashes[0]}"
    if hashes:
        return _digest("\n".join(sorted(set(hashes))).encode())
    return _digest(lock.encode())


def _normalised(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _environment(engine_id: str, lock: Path, locked: bytes, tell: Callable[[str], None]) -> Path:
    """The interpreter of the engine's environment, made when absent."""
    python = f"{platform.python_implementation()}-{platform.python_version()}-{platform.machine()}"
    key = hashlib.sha256(locked + b"\0" + python.encode()).hexdigest()[:24]

    def build(aside: Path) -> None:
        tell(f"{engine_id}: making its environment from {lock.name}")
        _run_uv(
            engine_id,
            "venv",
            "--quiet",
            "--relocatable",
            "--allow-existing",
            f"--python={sys.executable}",
            str(aside),
        )
        target = (
            "pip",
            "sync",
            "--quiet",
            "--require-hashes",
            f"--python={aside / 'bin' / 'python'}",
            str(lock),
        )
        try:
            _run_uv(
                engine_id, *target, "--offline"
            )  # quick to say no, and all it takes when uv has everything
        except EngineUnavailable:
            tell(f"{engine_id}: downloading what {lock.name} pins")
            _run_uv(engine_id, *target)

    try:
        home = cache_root() / "engines" / f"{engine_id}-{key}"
        made = built_once(home, build, lambda: tell(f"{engine_id}: another run is making its environment"))
    except CacheError as error:
        raise EngineUnavailable(f"{engine_id}: {error}", "set CERTIFY_CACHE") from None
    except OSError as error:
        raise EngineUnavailable(
            f"{engine_id}: cannot make its environment: {error}", "free disk space, or set CERTIFY_CACHE"
        ) from None
    return made / "bin" / "python"


def _run_uv(engine_id: str, *arguments: str) -> None:
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only where an environment is to be made

        binary = find_uv_bin()
    except (ImportError, FileNotFoundError) as error:
        raise EngineUnavailable(f"{engine_id}: uv is not installed ({error})", "pip install uv") from None
    ours = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES) or name.upper() in _FOR_DOWNLOADS
    }
    result = subprocess.run(
        [binary, *arguments],
        env={**ours, "UV_COMPILE_BYTECODE": "1", "UV_SYSTEM_CERTS": "true", "NO_COLOR": "1"},
        cwd="/",  # no project around us must change what is installed
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        said = Redactor().redact_text(
            " / ".join(line.strip() for line in result.stderr.strip().splitlines()[-6:])
        )
        raise EngineUnavailable(
            f"{engine_id}: uv {arguments[0]} failed: {said[-1500:]}",
            "correct the lock file, or connect to the package index once: the environment is kept",
        )
