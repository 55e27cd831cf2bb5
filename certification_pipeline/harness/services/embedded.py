"""Systems that are a library and a path: DuckDB, SQLite, Parquet, lakehouse tables. Real by nature.

An instance is a directory; making one is cheap, so that each cell may have its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.provider import Availability, Endpoint, ServiceError

NAME = "embedded"


@dataclass(frozen=True, slots=True)
class _Library:
    """What an embedded system rests on."""

    module: str
    suffix: str
    """Of the database file; empty where an endpoint is a directory."""
    version: Callable[[], str]
    measure: Callable[[], dict[str, bool]]


def _duckdb_version() -> str:
    import duckdb  # noqa: PLC0415 - heavy, and only needed where used

    return duckdb.__version__


def _duckdb_capabilities() -> dict[str, bool]:
    import duckdb  # noqa: PLC0415

    with duckdb.connect(":memory:") as connection:
        connection.execute("BEGIN; CREATE TABLE probe (i int); ROLLBACK")
        left = connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'probe'"
        ).fetchone()
    return {"transactional_ddl": left == (0,)}


def _sqlite_version() -> str:
    import sqlite3  # noqa: PLC0415

    return sqlite3.sqlite_version


def _sqlite_capabilities() -> dict[str, bool]:
    import sqlite3  # noqa: PLC0415

    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for statement in ("BEGIN", "CREATE TABLE probe (i int)", "ROLLBACK"):
            connection.execute(statement)
        left = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'probe'").fetchone()
    finally:
        connection.close()
    return {"transactional_ddl": left == (0,)}


def _arrow_version() -> str:
    import pyarrow  # noqa: PLC0415

    return str(pyarrow.__version__)


def _no_transactional_ddl() -> dict[str, bool]:
    return {"transactional_ddl": False}


_LIBRARIES: dict[str, _Library] = {
    "duckdb": _Library("duckdb", ".duckdb", _duckdb_version, _duckdb_capabilities),
    "sqlite": _Library("sqlite3", ".sqlite", _sqlite_version, _sqlite_capabilities),
    # A directory of files has no transactions to measure.
    "parquet": _Library("pyarrow.parquet", "", _arrow_version, _no_transactional_ddl),
    # The libraries are the oracle's eyes; an engine brings its own. Hudi is read with nothing but Arrow.
    "delta": _Library("deltalake", "", lambda: version("deltalake"), _no_transactional_ddl),
    "iceberg": _Library("pyiceberg", "", lambda: version("pyiceberg"), _no_transactional_ddl),
    "hudi": _Library("pyarrow.parquet", "", _arrow_version, _no_transactional_ddl),
}

SYSTEMS = tuple(_LIBRARIES)


@cache
def _capabilities(system: str) -> dict[str, bool]:
    """A library's answer does not change within a process."""
    return _LIBRARIES[system].measure()


class EmbeddedProvider:
    """Makes directories for one embedded system below ``work_dir``."""

    name = NAME
    fidelity = Fidelity.REAL

    def __init__(self, system: str, *, work_dir: Path | None, guardian: Guardian) -> None:
        self.system = system
        self._library = _LIBRARIES[system]
        self._work_dir = work_dir
        self._guardian = guardian

    def probe(self) -> Availability:
        """Whether the library is installed."""
        top = self._library.module.partition(".")[0]
        if importlib.util.find_spec(top) is None:
            return Availability(False, f"the Python module {top} is not installed", f"pip install {top}")
        return Availability(True, f"{self.system}, embedded")

    def start(self, run_id: str) -> EmbeddedInstance:
        """A fresh directory; raises ``ServiceError`` when it cannot be made or the library is broken."""
        try:
            importlib.import_module(self._library.module)
            found, capabilities = self._library.version(), _capabilities(self.system)
        except ImportError as error:
            raise ServiceError(f"{self.system}: {error}", f"pip install {self._library.module}") from error
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", run_id)[:60]
        try:
            if self._work_dir is None:
                home = Path(tempfile.mkdtemp(prefix=f"certify-{self.system}-"))
            else:
                home = self._work_dir.absolute() / f"{self.system}-{slug}-{secrets.token_hex(4)}"
                home.mkdir(parents=True)
            return EmbeddedInstance(self.system, found, capabilities, home, self._guardian)
        except OSError as error:
            raise ServiceError(
                f"{self.system}: cannot make a directory: {error}",
                "free disk space, or choose another work dir",
            ) from error


class EmbeddedInstance:
    """A directory with a place for the source and one for the sink.

    The database files do not exist until somebody writes them; the Parquet directories do.
    """

    provider = NAME
    fidelity = Fidelity.REAL

    def __init__(
        self, system: str, version: str, capabilities: Mapping[str, bool], home: Path, guardian: Guardian
    ) -> None:
        self.system = system
        self.version = version
        self.capabilities = capabilities
        self._home = home
        self._guardian = guardian
        self._kept = guardian.add_path(home)
        self._nonce = secrets.token_hex(8)
        (home / ".nonce").write_text(self._nonce)
        for role in ("source", "sink"):
            if not _LIBRARIES[system].suffix:
                (home / role).mkdir()

    def source(self) -> Endpoint:
        """Path of the source's database file or directory."""
        return self._endpoint("source")

    def sink(self) -> Endpoint:
        """Path of the sink's database file or directory."""
        return self._endpoint("sink")

    def alive(self) -> bool:
        """Whether the directory is still the one we made."""
        try:
            return (self._home / ".nonce").read_text() == self._nonce
        except OSError:
            return False

    def log_tail(self) -> str:
        """Empty: a library has no log."""
        return ""

    def stop(self) -> None:
        """Remove the directory; idempotent."""
        shutil.rmtree(self._home, ignore_errors=True)
        self._guardian.remove(self._kept)

    def _endpoint(self, role: str) -> Endpoint:
        return Endpoint(self.system, str(self._home / f"{role}{_LIBRARIES[self.system].suffix}"))
