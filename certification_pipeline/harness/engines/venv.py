"""Virtual environments from lock files: made once, by hash, kept in the cache, checked before each use.

Knows locks and interpreters, neither the catalogue nor the protocol.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from certification_pipeline.harness.services.cache import CacheError, built_once, cache_root
from certification_pipeline.redaction import Redactor

PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "TZ", "PYTHONUTF8", "PYTHONHASHSEED", "JAVA_HOME"})
PASSED_ON_PREFIXES = ("LC_", "UV_", "XDG_")

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


def locked_digest(distribution: str, lock: str) -> str:
    """What the lock file pins for that distribution.

    One hash: that wheel's own sha256. Several (one a platform): sha256 over the sorted list. A name that the
    lock does not hold is identified by the whole lock file.
    """
    wanted = normalised(distribution)
    hashes: list[str] = []
    for requirement in re.sub(r"\\\r?\n", " ", lock).splitlines():
        match = _REQUIREMENT.match(requirement.strip())
        if match and normalised(match["name"]) == wanted:
            hashes += _HASH.findall(requirement)
    if len(set(hashes)) == 1:
        return f"sha256:{hashes[0]}"
    if hashes:
        return digest("\n".join(sorted(set(hashes))).encode())
    return digest(lock.encode())


def normalised(name: str) -> str:
    """As PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def digest(data: bytes) -> str:
    """``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_lock(engine_id: str, lock: Path) -> bytes:
    """The lock file. Raises :class:`EngineUnavailable`."""
    try:
        return lock.read_bytes()
    except OSError as error:
        raise EngineUnavailable(
            f"{engine_id}: cannot read {lock}: {error.strerror}", "write the lock file"
        ) from None


def virtual_environment(
    engine_id: str, lock: Path, locked: bytes, distribution: str, tell: Callable[[str], None]
) -> Path:
    """The directory of the environment that ``lock`` pins, made when absent.

    ``distribution`` is held to its own RECORD each time: one edited in the cache is refused. Raises
    :class:`EngineUnavailable`.
    """
    python = f"{platform.python_implementation()}-{platform.python_version()}-{platform.machine()}"
    key = hashlib.sha256(locked + b"\0" + python.encode()).hexdigest()[:24]

    def build(aside: Path) -> None:
        tell(f"{engine_id}: making its environment from {lock.name}")
        run_uv(
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
            run_uv(
                engine_id, *target, "--offline"
            )  # quick to say no, and all it takes when uv has everything
        except EngineUnavailable:
            tell(f"{engine_id}: downloading what {lock.name} pins")
            run_uv(engine_id, *target)

    try:
        # Named by what it holds: engines that are configurations of one share it.
        home = cache_root() / "engines" / f"{normalised(distribution)}-{key}"
        made = built_once(home, build, lambda: tell(f"{engine_id}: another run is making its environment"))
        altered = _altered(made, distribution)
    except CacheError as error:
        raise EngineUnavailable(f"{engine_id}: {error}", "set CERTIFY_CACHE") from None
    except OSError as error:
        raise EngineUnavailable(
            f"{engine_id}: cannot make its environment: {error}", "free disk space, or set CERTIFY_CACHE"
        ) from None
    if altered:
        raise EngineUnavailable(
            f"{engine_id}: {altered} in its environment is not what was installed",
            f"remove {made}: the next run makes it again",
        )
    return made


def _altered(environment: Path, distribution: str) -> str | None:
    """The first file of the distribution that differs from its RECORD (PyPA's specification)."""
    for record in environment.glob("lib/python*/site-packages/*.dist-info/RECORD"):
        name = record.parent.name.removesuffix(".dist-info").rpartition("-")[0]
        if normalised(name) != normalised(distribution):
            continue
        site = record.parents[1]
        with record.open(newline="", encoding="utf-8") as lines:
            for path, expected, *_ in csv.reader(lines):
                # Entry points are written for this environment; what has no hash was compiled here.
                if not expected.startswith("sha256=") or path.startswith(("..", "/")):
                    continue
                if _recorded(site / path) != expected:
                    return path
    return None


def _recorded(path: Path) -> str:
    """As RECORD writes it: ``sha256=<urlsafe base64, no padding>``; empty for a file that is not there."""
    try:
        raw = hashlib.sha256(path.read_bytes()).digest()
    except FileNotFoundError:
        return ""
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def run_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs of ours that download need of our own environment, and ``extra``."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES) or name.upper() in _FOR_DOWNLOADS
    }
    return {**ours, **(extra or {})}


def uv_binary(engine_id: str) -> str:
    """Where uv is. Raises :class:`EngineUnavailable`."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - only where an environment is to be made

        return find_uv_bin()
    except (ImportError, FileNotFoundError) as error:
        raise EngineUnavailable(f"{engine_id}: uv is not installed ({error})", "pip install uv") from None


def run_uv(engine_id: str, *arguments: str) -> None:
    """Run uv outside of any project. Raises :class:`EngineUnavailable` with the last it said."""
    result = subprocess.run(
        [uv_binary(engine_id), *arguments],
        env=run_environment({"UV_COMPILE_BYTECODE": "1", "UV_SYSTEM_CERTS": "true", "NO_COLOR": "1"}),
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
