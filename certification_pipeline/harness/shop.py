"""The place where cells are worked on: what all of them share, and one cell's own corner of it.

The runner works many cells side by side with warm engines; the other families take one at a time with
:func:`solo`.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import VERSION_MARK, Engine
from certification_pipeline.catalog.vocabulary import Disturbable, Side
from certification_pipeline.evidence.cell import CellKey, ServiceUse
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.cleaning import clean_namespace
from certification_pipeline.harness.engines.environment import PreparedEngine, prepare
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.events import CellStep, EnginePreparing, OnEvent
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_dsn import SOURCE_VARIABLE
from certification_pipeline.harness.services.provider import Availability, Instance, Restartable, ServiceError
from certification_pipeline.harness.services.registry import ServiceContext, resolve
from certification_pipeline.harness.station import Station
from certification_pipeline.harness.warm import WarmEngines
from certification_pipeline.redaction import Redactor


@dataclass(frozen=True)
class Lack:
    """What a service has not and a claim needs."""

    system: str
    capability: str
    remedy: str


@dataclass(frozen=True)
class Workshop:
    """What all workers share."""

    catalog: Catalog
    services: Mapping[str, Instance]
    engines: Mapping[str, PreparedEngine]
    work_dir: Path
    oracle: Oracle
    redactor: Redactor
    guardian: Guardian
    on_event: OnEvent
    cancel: threading.Event
    dead: dict[str, str] = field(default_factory=dict)
    """Systems that stopped answering, with what their log said last."""
    quiet: AbstractContextManager[object] = field(default_factory=threading.RLock)
    """See :attr:`Station.quiet`."""
    own: frozenset[str] = frozenset()
    """Systems whose service one cell has for itself: :meth:`apart`."""

    def session(
        self, engine: str, folder: Path, environment: Mapping[str, str] | None = None
    ) -> EngineSession:
        """A new process of that engine, which works and logs in ``folder``. Raises ``EngineError``.

        ``environment``: variables beside those that every process of it gets.
        """
        prepared = self.engines[engine]
        return EngineSession(
            prepared.command,
            env={**prepared.env, **(environment or {})},
            cwd=folder,
            log_path=folder / f"{engine}.log",
            redactor=self.redactor,
            guardian=self.guardian,
        )

    def _earlier(self, engine: Engine, folder: Path) -> EngineSession:
        """A process of the release before; its environment is made when first it is asked for."""
        name = f"{engine.id}{VERSION_MARK}{engine.previous}"

        def tell(detail: str) -> None:
            self.on_event(EnginePreparing(name, detail))

        prepared = prepare(name, self.catalog.engine(name).driver, tell)
        return replace(self, engines={name: prepared}).session(name, folder)

    def station(
        self,
        planned: PlannedCell,
        folder: Path,
        session: Callable[[], EngineSession],
        dressed: Callable[[Mapping[str, str]], EngineSession] | None = None,
    ) -> Station:
        """The cell's own corner. Raises ``LookupError`` for a route or strategy the engine does not claim."""
        key = planned.key
        engine = self.catalog.engine(key.engine)
        claims = engine.route(key.source, key.sink)
        if claims is None or key.strategy not in claims.strategies:
            raise LookupError(f"engine {key.engine} declares no {key.strategy} on {key.route_id}")
        namespace = namespace_of(key)
        source = self.services[key.source].source().dsn
        inside = claims.same_database and key.source == key.sink
        return Station(
            planned=planned,
            engine=engine,
            claims=claims,
            claim=claims.strategies[key.strategy],
            types={**self.catalog.types.get(key.sink, {}), **claims.types},
            source_dsn=source,
            sink_dsn=source if inside else sink_dsn(self.services[key.sink], namespace),
            namespace=namespace,
            # It begins like the cell's own: cleaned with it.
            sink_namespace=f"{namespace}_sink" if inside else None,
            work_dir=folder,
            oracle=self.oracle,
            session=session,
            dressed=dressed,
            mask=self.redactor.register,
            quiet=self.quiet,
            services={Side.SOURCE: self.services[key.source], Side.SINK: self.services[key.sink]},
            own=frozenset(
                side for side, one in ((Side.SOURCE, key.source), (Side.SINK, key.sink)) if one in self.own
            ),
            disturbable={
                Side.SOURCE: self.catalog.systems[key.source].disturbable,
                Side.SINK: self.catalog.systems[key.sink].disturbable,
            },
            limits=scenario.limits if (scenario := self.catalog.scenarios.get(key.scenario)) else {},
            another=lambda: self.session(key.engine, folder),
            earlier=partial(self._earlier, engine, folder) if engine.previous else None,
            on_step=lambda text: self.on_event(CellStep(key.engine, key.cell_id, text)),
        )

    @contextmanager
    def apart(self, key: CellKey) -> Iterator[Workshop]:
        """A workshop in which the systems that the cell's scenario restarts are the cell's own.

        They are started now and stopped with the block; both ends of one system are one instance. For any
        other cell it is this workshop. Raises ``ServiceError`` where a system's service is not ours to kill.
        """
        systems = self._restarted(key)
        if not systems:
            yield self
            return
        with ExitStack() as stack:
            services = dict(self.services)
            for system in systems:
                services[system] = self._private(system)
                stack.callback(services[system].stop)
            dead = {name: said for name, said in self.dead.items() if name not in systems}
            yield replace(self, services=services, dead=dead, quiet=threading.RLock(), own=systems)

    def _restarted(self, key: CellKey) -> frozenset[str]:
        scenario = self.catalog.scenarios.get(key.scenario)
        disturbs = scenario.disturbs if scenario else {}
        ends = ((Side.SOURCE, key.source), (Side.SINK, key.sink))
        return frozenset(
            system
            for side, system in ends
            if Disturbable.RESTART in disturbs.get(side, ())
            and Disturbable.RESTART in self.catalog.systems[system].disturbable
        )

    def _private(self, system: str) -> Instance:
        if not isinstance(self.services[system], Restartable):
            raise ServiceError(
                f"the scenario kills and restarts {system}, and this one is not ours to kill",
                f"run the cell without naming a server of yours ({_NAMED.get(system, 'its DSN')})",
            )
        context = ServiceContext(work_dir=self.work_dir, redactor=self.redactor, guardian=self.guardian)
        provider = resolve(system, context)
        if isinstance(provider, Availability):
            raise ServiceError(provider.detail, provider.remedy)
        return provider.start("private")

    def services_of(self, key: CellKey) -> tuple[ServiceUse, ...]:
        """The services behind the cell's two ends, as far as they are up."""
        return tuple(
            ServiceUse(
                system=system,
                role=role,
                provider=instance.provider,
                fidelity=instance.fidelity,
                version=instance.version,
            )
            for role, system in (("source", key.source), ("sink", key.sink))
            if (instance := self.services.get(system))
        )

    def lacking(self, key: CellKey) -> tuple[Lack, ...]:
        """What the cell's claim needs and the service at that end has not."""
        route = self.catalog.engine(key.engine).route(key.source, key.sink)
        claim = route.strategies.get(key.strategy) if route else None
        return tuple(
            Lack(system, name, known.remedy)
            for name in (claim.needs if claim else ())
            for end, system in ((Side.SOURCE, key.source), (Side.SINK, key.sink))
            if (known := self.catalog.systems[system].capabilities.get(name)) and known.end is end
            if not self.services[system].capabilities.get(name)
        )

    def clean(self, key: CellKey) -> None:
        """Remove what the cell left in its services."""
        for system in {key.source, key.sink}:
            clean_namespace(self.services[system], namespace_of(key))


@contextmanager
def solo(shop: Workshop, planned: PlannedCell) -> Iterator[Bench]:
    """A bench for one cell, with an engine process of its own that is started when it is first needed.

    Source and sink stay as they are until the block ends; then everything of the cell is removed. A dead
    engine is replaced at the next load, as a scheduler would do. Not for two cells of one id at a time.
    Raises ``LookupError`` when the engine does not claim the route or the strategy, ``ServiceError`` as
    :meth:`Workshop.apart`.
    """
    with shop.apart(planned.key) as own:
        yield from _solo(own, planned)


def _solo(shop: Workshop, planned: PlannedCell) -> Iterator[Bench]:
    folder = shop.work_dir / "solo" / namespace_of(planned.key)
    folder.mkdir(parents=True, exist_ok=True)
    engines = WarmEngines(lambda engine, environment: shop.session(engine, folder, environment))
    session = partial(engines.session, planned.key.engine)
    bench = Bench(shop.station(planned, folder, session, session))
    try:
        yield bench
    finally:
        try:
            engines.close()
            bench.close()
            shop.clean(planned.key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


_NAMED = {"postgres": f"unset {SOURCE_VARIABLE}"}
"""How to let the run start a system itself."""


def namespace_of(key: CellKey) -> str:
    """The schema, or the stem of files, that belongs to this cell alone."""
    digest = hashlib.sha256(f"{key.engine}/{key.cell_id}".encode()).hexdigest()
    return f"c_{digest[:12]}"


def sink_dsn(instance: Instance, namespace: str) -> str:
    """Each cell has a database file of its own: DuckDB lets one process in at a time.

    Not named like the namespace: to DuckDB the file's stem is a catalogue, and the two names would clash.
    """
    dsn = instance.sink().dsn
    match instance.system:
        case "duckdb":
            return str(Path(dsn).parent / f"db_{namespace}.duckdb")
        case "sqlite":
            return str(Path(dsn).parent / f"db_{namespace}.sqlite")
        case _:
            return dsn
