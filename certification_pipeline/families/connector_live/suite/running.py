"""Example manifests, really run: seeded rows, the engine in a process of its own, the oracle as judge."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from certification_pipeline.catalog.manifest import Manifest, read_manifest
from certification_pipeline.catalog.vocabulary import Fidelity, Outcome
from certification_pipeline.evidence.cell import CellKey, CheckJudgement, RowJudgement
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.families.connector_live.context import Context, Served
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.protocol import Load, LoadOptions
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.provider import Endpoint
from certification_pipeline.harness.shop import Workshop, namespace_of
from certification_pipeline.redaction import Redactor

SCENARIO = "connector.example"
_LARGEST = 1 << 28


class _Given:
    """A service that somebody else started and will stop."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.system = served.system
        self.provider = served.provider
        self.fidelity: Fidelity = served.fidelity
        self.version = served.version
        self.capabilities: Mapping[str, bool] = {}

    def source(self) -> Endpoint:
        """As the family was given it."""
        return Endpoint(self.system, self._served.source_dsn)

    def sink(self) -> Endpoint:
        """As the family was given it."""
        return Endpoint(self.system, self._served.sink_dsn)

    def alive(self) -> bool:
        """Told by the loads themselves."""
        return True

    def log_tail(self) -> str:
        """Not ours to read."""
        return ""

    def stop(self) -> None:
        """Not ours to stop."""


@dataclass
class Run:
    """What came of one example manifest: problems by part, each a sentence; none is a pass."""

    rows: int = 0
    first: list[str] = field(default_factory=list)
    """Of the first load."""
    later: list[str] = field(default_factory=list)
    """Of the load after a change round, and of one after nothing changed."""
    leaked: list[str] = field(default_factory=list)
    """Files of the sink and of the engine's state in which a password of a DSN stands."""
    loads: int = 0


class Runs:
    """Runs each manifest once, however many tests ask; with one engine process as long as it lives."""

    def __init__(self, context: Context, shop: Workshop) -> None:
        self.context = context
        self.shop = shop
        self.of = cache(self._run)
        self._session: EngineSession | None = None
        self._folder = shop.work_dir / "engine"
        self._folder.mkdir()

    def served(self, system: str) -> bool:
        """Whether its service is up."""
        return system in self.shop.services

    def provider(self, system: str) -> str:
        """Who started it: ``dsn`` means a server that a person named."""
        return self.shop.services[system].provider

    def close(self) -> None:
        """End the engine."""
        if self._session is not None:
            self._session.close()

    def _engine(self) -> EngineSession:
        if self._session is None or not self._session.alive:
            self._session = self.shop.session(self.context.engine, self._folder)
            self._session.describe()
        return self._session

    def _run(self, file: Path, rows: int) -> Run:
        manifest = read_manifest(file, self.context.catalog)
        planned = _planned(manifest, rows, self.context.seed)
        folder = self.shop.work_dir / namespace_of(planned.key)
        folder.mkdir(exist_ok=True)
        bench = Bench(self.shop.station(planned, folder, self._engine))
        run = Run()
        try:
            self._play(bench, manifest, file, run)
        except Halt:
            (run.later if run.loads > 1 else run.first).extend(_problems(bench.judgements))
        finally:
            run.leaked = _leaked(bench)
            bench.close()
            self.shop.clean(planned.key)
        return run

    def _play(self, bench: Bench, manifest: Manifest, file: Path, run: Run) -> None:
        bench.options = LoadOptions.model_validate({**bench.options.model_dump(), **manifest.options})
        bench.seed("standard")
        self._load(bench, manifest, file, run)
        run.first = _problems(bench.judgements)
        run.rows = max(
            (each.actual.rows for each in bench.judgements if isinstance(each, RowJudgement)), default=0
        )
        bench.judgements.clear()
        bench.change()
        self._load(bench, manifest, file, run)
        self._load(bench, manifest, file, run)
        run.later = _problems(bench.judgements)

    @staticmethod
    def _load(bench: Bench, manifest: Manifest, file: Path, run: Run) -> None:
        """The request is the manifest's; only place and columns come from the seeded table."""
        run.loads += 1
        request = bench.request().model_copy(
            update={
                "manifest_path": file.name,
                "strategy": manifest.strategy,
                "primary_key": manifest.primary_key,
                "cursor": manifest.cursor,
            }
        )
        bench.load(request=Load.model_validate(request.model_dump()))
        bench.judge()


@contextmanager
def opened(context: Context, endpoints: Mapping[str, Served], folder: Path) -> Iterator[Runs]:
    """A workshop of the suite's own over services that are up already."""
    redactor = Redactor()
    for served in endpoints.values():
        redactor.register_dsn(served.source_dsn)
        redactor.register_dsn(served.sink_dsn)
    with ExitStack() as stack:
        guardian = stack.enter_context(Guardian())
        shop = Workshop(
            catalog=context.catalog,
            services={name: _Given(served) for name, served in endpoints.items()},
            engines={context.engine: PreparedEngine(context.command, context.env, "")},
            work_dir=folder,
            oracle=stack.enter_context(Oracle(folder / "oracle")),
            redactor=redactor,
            guardian=guardian,
            on_event=lambda _: None,
            cancel=threading.Event(),
        )
        runs = Runs(context, shop)
        stack.callback(runs.close)
        yield runs


def _planned(manifest: Manifest, rows: int, seed: int) -> PlannedCell:
    key = CellKey(
        engine=manifest.engine,
        source=manifest.source.system,
        sink=manifest.sink.system,
        strategy=manifest.strategy,
        scenario=SCENARIO,
    )
    return PlannedCell(key=key, scenario_version=1, rows=rows, seed=seed, required=True, disposition="run")


def _problems(judgements: list[RowJudgement | CheckJudgement]) -> list[str]:
    found = []
    for each in judgements:
        if each.outcome is Outcome.PASSED:
            continue
        if isinstance(each, RowJudgement):
            counts = ", ".join(f"{count} rows {anomaly}" for anomaly, count in each.anomalies.items())
            found.append(f"{each.step}: {each.remark or counts or 'both sides differ'}")
        else:
            found.append(f"{each.step}: {each.name} is {each.observed}, not {each.expected}")
    return found


def _leaked(bench: Bench) -> list[str]:
    """Names of files that hold a password; the sink of a server is read by nobody here."""
    dsns = (bench.station.source_dsn, bench.station.sink_dsn)
    passwords = [unquote(found).encode() for dsn in dsns if (found := urlsplit(dsn).password)]
    places = [bench.station.work_dir]
    if "://" not in bench.station.sink_dsn:
        sink = Path(bench.station.sink_dsn)
        places += [sink] if sink.is_dir() else sorted(sink.parent.glob(f"{sink.name}*"))
    files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*")))]
    return [
        file.name
        for file in files
        if file.is_file()
        and file.stat().st_size <= _LARGEST
        and any(password in file.read_bytes() for password in passwords)
    ]
