"""What a provider of a disposable service must offer (DESIGN section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from certification_pipeline.catalog.vocabulary import Fidelity


@dataclass(frozen=True, slots=True)
class Availability:
    """Answer of a probe: it can start here, or it cannot, why, and what to do about it."""

    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is reached. ``dsn`` is as in the engine protocol's ``DataObject``."""

    system: str
    dsn: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.system} endpoint"


class Instance(Protocol):
    """One running service. Everything started is stopped by ``stop``, and by parent death."""

    @property
    def system(self) -> str:
        """The catalogue's name of the service kind."""
        ...

    @property
    def provider(self) -> str:
        """Which provider made it, e.g. ``pgserver-wheel``, ``dsn``, ``embedded``."""
        ...

    @property
    def fidelity(self) -> Fidelity:
        """How close it is to the thing itself."""
        ...

    @property
    def version(self) -> str:
        """As the service itself answers, e.g. ``18.4``."""
        ...

    @property
    def capabilities(self) -> Mapping[str, bool]:
        """Measured at start by small probes, e.g. ``transactional_ddl``, ``pgoutput``."""
        ...

    def source(self) -> Endpoint:
        """Endpoint of the database that holds source tables."""
        ...

    def sink(self) -> Endpoint:
        """Endpoint of the (separate) database or directory that holds sink tables."""
        ...

    def alive(self) -> bool:
        """Whether the service still answers *as the one we started*."""
        ...

    def log_tail(self) -> str:
        """The last lines the service logged, secrets redacted; empty when it has no log."""
        ...

    def stop(self) -> None:
        """Stop it and remove all it wrote; idempotent."""
        ...


@runtime_checkable
class Restartable(Protocol):
    """An instance that is a process of ours, which may be killed and comes back with its data."""

    @property
    def pid(self) -> int | None:
        """Of its first process; ``None`` while it does not run."""
        ...

    def source(self) -> Endpoint:
        """As :meth:`Instance.source`; the same after a restart."""
        ...

    def kill(self) -> None:
        """SIGKILL it with all its processes."""
        ...

    def restart(self) -> None:
        """Stop it, if it runs, and start it on the same data and address; raises ``ServiceError``."""
        ...


class Provider(Protocol):
    """One way to get one service."""

    system: str
    name: str
    fidelity: Fidelity

    def probe(self) -> Availability:
        """Quick and without side effects."""
        ...

    def start(self, run_id: str) -> Instance:
        """Start an instance; raises ``ServiceError`` with a remedy."""
        ...


class ServiceError(Exception):
    """A service could not be started or reached."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.args[0]} — {self.remedy}"
