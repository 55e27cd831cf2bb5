"""What a run needs, started and stopped: services, engines' environments, a working directory.

Whatever ends the run (the end, an error, Ctrl-C, kill -9), nothing that was started here stays behind.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.harness.engines.environment import EngineUnavailable, PreparedEngine, prepare
from certification_pipeline.harness.engines.protocol import Described
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.engines.versions import UnknownVersion
from certification_pipeline.harness.events import (
    EngineMissing,
    EnginePreparing,
    EngineReady,
    OnEvent,
    ServiceStarted,
)
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.provider import Availability, Instance
from certification_pipeline.harness.services.registry import ServiceContext, resolve
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.redaction import Redactor

DEFECT_VARIABLE = "CERTIFY_PLANTED_DEFECT"
"""Names a defect to plant in the reference engine: the negative control of the whole bench."""


_SIDE_BY_SIDE = min(4, (os.cpu_count() or 1) + 1)
"""Engines made ready at once: one downloads while another is imported. More would only share the machine."""


@dataclass(frozen=True)
class ReadyEngine:
    """An engine that answered ``describe``: who it says it is, and what was installed."""

    prepared: PreparedEngine
    described: Described


@dataclass(frozen=True)
class MissingEngine:
    """An engine that cannot be started here."""

    detail: str
    remedy: str


@contextmanager
def open_workshop(
    catalog: Catalog,
    *,
    run_id: str,
    systems: Iterable[str],
    engines: Mapping[str, ReadyEngine | MissingEngine],
    on_event: OnEvent,
    cancel: threading.Event,
    redactor: Redactor | None = None,
) -> Iterator[Workshop]:
    """Start the systems that can be started; yields what the runner needs.

    ``redactor``: one that somebody looks at; else the run gets its own. Raises ``ServiceError`` when a system
    that was probed as available does not start.
    """
    redactor = redactor or Redactor()
    with ExitStack() as stack:
        guardian = stack.enter_context(Guardian())
        work_dir = stack.enter_context(_temporary("certify-work-", guardian))
        context = ServiceContext(work_dir=work_dir, redactor=redactor, guardian=guardian)
        services: dict[str, Instance] = {}
        for system in systems:
            provider = resolve(system, context)
            if isinstance(provider, Availability):
                continue
            clock = perf_counter()
            instance = provider.start(run_id)
            stack.callback(instance.stop)
            services[system] = instance
            on_event(
                ServiceStarted(system, instance.provider, instance.version, round(perf_counter() - clock, 3))
            )
        yield Workshop(
            catalog=catalog,
            services=services,
            engines={name: e.prepared for name, e in engines.items() if isinstance(e, ReadyEngine)},
            work_dir=work_dir,
            # One for all workers: what it expects of a workload is the same in every cell that uses it.
            oracle=stack.enter_context(Oracle(work_dir / "oracle")),
            redactor=redactor,
            guardian=guardian,
            on_event=on_event,
            cancel=cancel,
        )


def ready_engines(
    catalog: Catalog, names: Iterable[str], on_event: OnEvent
) -> dict[str, ReadyEngine | MissingEngine]:
    """Make each engine's environment (cached) and ask it who it is, a few side by side: imports are slow.

    One that cannot be started is a :class:`MissingEngine`, whatever the reason, and stops no other.
    """
    names = list(names)
    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE, thread_name_prefix="engine") as pool:
        return dict(zip(names, pool.map(lambda name: _ready(catalog, name, on_event), names), strict=True))


def _ready(catalog: Catalog, name: str, on_event: OnEvent) -> ReadyEngine | MissingEngine:
    try:
        prepared = prepare(
            name, catalog.engine(name).driver, lambda detail: on_event(EnginePreparing(name, detail))
        )
    except UnknownVersion:
        raise  # a typing error, not a lack of this machine
    except EngineUnavailable as error:
        return _missing(name, str(error.args[0]), error.remedy, on_event)
    except OSError as error:
        return _missing(
            name, f"{name}: its environment cannot be made: {error}", "see `certify doctor`", on_event
        )
    prepared = _with_defect(name, prepared)
    with Guardian() as guardian, _temporary("certify-describe-", guardian) as folder:
        try:
            described = _describe(prepared, folder, guardian)
        except Exception as error:  # any failure to say who it is means the same to a plan
            said = f"{name} did not answer `describe`: {error}"
            return _missing(name, said, f"see `certify engine list`, {name}", on_event)
    asked = catalog.engine(name).driver.version
    if asked and described.version.removeprefix("v") != asked:
        said = f"{name}: what was installed says it is {described.version}"
        return _missing(name, said, "report it: the driver must say the version that runs", on_event)
    on_event(EngineReady(name, described.version))
    return ReadyEngine(prepared, described)


def _missing(name: str, detail: str, remedy: str, on_event: OnEvent) -> MissingEngine:
    on_event(EngineMissing(name, detail))
    return MissingEngine(detail, remedy)


def _describe(prepared: PreparedEngine, folder: Path, guardian: Guardian) -> Described:
    session = EngineSession(
        prepared.command,
        env=prepared.env,
        cwd=folder,
        log_path=folder / "engine.log",
        redactor=Redactor(),
        guardian=guardian,
    )
    try:
        return session.describe()
    finally:
        session.close()


def _with_defect(name: str, prepared: PreparedEngine) -> PreparedEngine:
    """Hand a planted defect on to the reference engine; with it, it is another subject (law 8)."""
    defect = os.environ.get(DEFECT_VARIABLE)
    if not defect or name not in ("reference", "reference_two_phase"):
        return prepared
    digest = hashlib.sha256(f"{prepared.artifact_digest}+{defect}".encode()).hexdigest()
    env = {**prepared.env, DEFECT_VARIABLE: defect}
    return PreparedEngine(prepared.command, env, f"sha256:{digest}")


@contextmanager
def _temporary(prefix: str, guardian: Guardian) -> Iterator[Path]:
    """A directory that goes with the block, or with us."""
    path = Path(tempfile.gettempdir()) / f"{prefix}{secrets.token_hex(8)}"
    # Registered before it is there: a kill in between would leave it behind.
    key = guardian.add_path(path)
    try:
        path.mkdir(mode=0o700)
        # Another user runs the services when we are root, and must be able to reach what is below.
        path.chmod(0o755)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        guardian.remove(key)
